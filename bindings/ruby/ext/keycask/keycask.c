/*
 * keycask for Ruby: the C interface as methods. What Ruby programmers call is in lib/keycask.rb.
 *
 * The GVL is kept for a call that takes less than a microsecond, and released for one that may touch the disk: each is tried with
 * KC_CACHED_ONLY first, and on any failure once more without, where it also says what is wrong.
 */

#include <ruby.h>
#include <dlfcn.h>
#include <keycask.h>
#include <ruby/encoding.h>
#include <ruby/thread.h>

enum { ABI = 1 };

static VALUE error_class;

/* Errors. What they are called in Ruby is known by Keycask::Error.of. */

static void fail_with(const kc_error *cause) {
  VALUE message = rb_utf8_str_new_cstr(cause->message);
  rb_exc_raise(rb_funcall(error_class, rb_intern("of"), 4, INT2NUM(cause->status), message, INT2NUM(cause->os_error),
                          INT2NUM(cause->engine_error)));
}

/* Handles. The ticket that a closed one keeps is stale, and the library refuses it. */

typedef struct {
  void *ticket;
  int closed;
} handle;

static void free_handle(void *of) {
  handle *this = of;
  if (!this->closed)
    (void)kc_free(this->ticket);
  ruby_xfree(this);
}

static const rb_data_type_t store_type = {"Keycask::Store", {NULL, free_handle, NULL, NULL, {NULL}}, NULL, NULL,
                                          RUBY_TYPED_FREE_IMMEDIATELY | RUBY_TYPED_FROZEN_SHAREABLE};
static const rb_data_type_t key_type = {"Keycask::Key", {NULL, free_handle, NULL, NULL, {NULL}}, NULL, NULL,
                                        RUBY_TYPED_FREE_IMMEDIATELY | RUBY_TYPED_FROZEN_SHAREABLE};

/* Before the library gives a handle there is an object for it: to make one could fail. */
static VALUE empty(VALUE class, const rb_data_type_t *type, handle **made) {
  VALUE object = TypedData_Make_Struct(class, handle, type, *made);
  (*made)->closed = 1;
  return object;
}

static VALUE filled(VALUE object, handle *made, void *ticket) {
  made->ticket = ticket;
  made->closed = 0;
  return rb_obj_freeze(object);
}

static kc_store *store_of(VALUE self) { return ((handle *)rb_check_typeddata(self, &store_type))->ticket; }
static kc_key *key_of(VALUE self) { return ((handle *)rb_check_typeddata(self, &key_type))->ticket; }
static handle *handle_of(VALUE self) { return RTYPEDDATA_DATA(self); }

static VALUE close_handle(VALUE self) {
  handle *this = handle_of(self);
  if (!__atomic_exchange_n(&this->closed, 1, __ATOMIC_RELAXED))
    (void)kc_free(this->ticket);
  return Qnil;
}

static VALUE is_closed(VALUE self) { return handle_of(self)->closed ? Qtrue : Qfalse; }

/* Without the GVL. An interrupt (Thread#raise) is looked at before the call, and not behind it, where its handle would be lost. */

typedef struct {
  void (*call)(void *of);
  void *of;
  int ran;
} unlocked;

static void *run_unlocked(void *of) {
  unlocked *this = of;
  this->call(this->of);
  this->ran = 1;
  return NULL;
}

static void without_gvl(void (*call)(void *of), void *of) {
  unlocked this = {call, of, 0};
  do {
    rb_thread_check_ints();
    rb_thread_call_without_gvl2(run_unlocked, &this, NULL, NULL);
  } while (!this.ran);
}

/* Strings. Bytes go in as they are where they are UTF-8, ASCII or binary, and in UTF-8 where they are another encoding's. */

static VALUE given(VALUE text) {
  StringValue(text);
  int encoding = rb_enc_get_index(text);
  if (encoding != rb_utf8_encindex() && encoding != rb_ascii8bit_encindex() && encoding != rb_usascii_encindex())
    return rb_str_encode(text, rb_enc_from_encoding(rb_utf8_encoding()), 0, Qnil);
  return text;
}

/* A call that makes bytes of bytes. */
typedef struct {
  enum { ENCRYPT, DECRYPT, REENCRYPT, KEY_ENCRYPT, KEY_DECRYPT } what;
  void *ticket;
  VALUE user, input, output;
  const char *user_bytes, *input_bytes;
  size_t user_len, input_len, capacity, len;
  char *room;
  uint32_t flags;
  kc_status status;
  kc_error *error;
} request;

static void run(request *r, uint32_t flags) {
  kc_call call = KC_CALL_INIT;
  call.flags = flags;
  switch (r->what) {
  case ENCRYPT:
    r->status = kc_encrypt(r->ticket, r->user_bytes, r->user_len, r->input_bytes, r->input_len, &call, r->room, r->capacity, &r->len, r->error);
    break;
  case DECRYPT:
    r->status = kc_decrypt(r->ticket, r->user_bytes, r->user_len, r->input_bytes, r->input_len, &call, r->room, r->capacity, &r->len, r->error);
    break;
  case REENCRYPT:
    r->status = kc_reencrypt(r->ticket, r->user_bytes, r->user_len, r->input_bytes, r->input_len, &call, r->room, r->capacity, &r->len, r->error);
    break;
  case KEY_ENCRYPT:
    r->status = kc_key_encrypt(r->ticket, r->input_bytes, r->input_len, &call, r->room, r->capacity, &r->len, r->error);
    break;
  case KEY_DECRYPT:
    r->status = kc_key_decrypt(r->ticket, r->input_bytes, r->input_len, &call, r->room, r->capacity, &r->len, r->error);
    break;
  }
}

static void run_slowly(void *of) {
  request *r = of;
  run(r, r->flags);
}

static void point_at(request *r) {
  RSTRING_GETMEM(r->input, r->input_bytes, r->input_len);
  if (r->user != Qnil)
    RSTRING_GETMEM(r->user, r->user_bytes, r->user_len);
}

/* Fills r->output, a string of r's own; answers whether the token was stale. */
static int perform(request *r) {
  point_at(r);
  size_t capacity = r->what == DECRYPT || r->what == KEY_DECRYPT ? kc_decrypted_size(r->input_len)
                    : r->what == REENCRYPT ? kc_encrypted_size(kc_decrypted_size(r->input_len))
                                           : kc_encrypted_size(r->input_len);
  r->output = rb_str_new(NULL, (long)capacity);
  point_at(r);
  r->room = RSTRING_PTR(r->output);
  r->capacity = capacity;
  run(r, r->flags | KC_CACHED_ONLY);
  if (r->status < 0) {
    /* Without the lock, other threads may write to what was given: a frozen string shares its bytes with it. */
    kc_error cause;
    r->error = &cause;
    r->input = rb_str_new_frozen(r->input);
    if (r->user != Qnil)
      r->user = rb_str_new_frozen(r->user);
    point_at(r);
    without_gvl(run_slowly, r);
    if (r->status < 0)
      fail_with(&cause);
  }
  rb_str_set_len(r->output, (long)r->len);
  RB_GC_GUARD(r->user);
  RB_GC_GUARD(r->input);
  return r->status == KC_STALE;
}

static VALUE encoded(request *r, int encoding) {
  perform(r);
  rb_enc_associate_index(r->output, encoding);
  return r->output;
}

/* The flags among a method's keywords: existing, strict, cached_only. */
static uint32_t flags_of(int argc, VALUE *argv, int wanted) {
  if (argc == wanted)
    return 0;
  const ID names[3] = {rb_intern("existing"), rb_intern("strict"), rb_intern("cached_only")};
  VALUE keywords, found[3];
  if (wanted == 2)
    rb_scan_args(argc, argv, "2:", NULL, NULL, &keywords);
  else
    rb_scan_args(argc, argv, "1:", NULL, &keywords);
  rb_get_kwargs(keywords, names, 0, 3, found);
  static const uint32_t bits[3] = {KC_EXISTING, KC_STRICT, KC_CACHED_ONLY};
  uint32_t flags = 0;
  for (int i = 0; i < 3; i++)
    if (found[i] != Qundef && RTEST(found[i]))
      flags |= bits[i];
  return flags;
}

static VALUE store_call(int argc, VALUE *argv, VALUE self, int what, int encoding) {
  request r = {.what = what, .ticket = store_of(self), .flags = flags_of(argc, argv, 2)};
  r.user = given(argv[0]);
  r.input = given(argv[1]);
  return encoded(&r, encoding);
}

static VALUE store_encrypt(int argc, VALUE *argv, VALUE self) { return store_call(argc, argv, self, ENCRYPT, rb_utf8_encindex()); }
static VALUE store_decrypt(int argc, VALUE *argv, VALUE self) { return store_call(argc, argv, self, DECRYPT, rb_utf8_encindex()); }
static VALUE store_reencrypt(int argc, VALUE *argv, VALUE self) { return store_call(argc, argv, self, REENCRYPT, rb_utf8_encindex()); }
static VALUE store_decrypt_bytes(int argc, VALUE *argv, VALUE self) {
  return store_call(argc, argv, self, DECRYPT, rb_ascii8bit_encindex());
}

static VALUE store_is_stale(int argc, VALUE *argv, VALUE self) {
  request r = {.what = DECRYPT, .ticket = store_of(self), .flags = flags_of(argc, argv, 2) | KC_TELL_STALE};
  r.user = given(argv[0]);
  r.input = given(argv[1]);
  int stale = perform(&r);
  kc_wipe(RSTRING_PTR(r.output), r.len);
  return stale ? Qtrue : Qfalse;
}

static VALUE key_call(int argc, VALUE *argv, VALUE self, int what, int encoding) {
  request r = {.what = what, .ticket = key_of(self), .flags = flags_of(argc, argv, 1), .user = Qnil};
  r.input = given(argv[0]);
  return encoded(&r, encoding);
}

static VALUE key_encrypt(int argc, VALUE *argv, VALUE self) { return key_call(argc, argv, self, KEY_ENCRYPT, rb_utf8_encindex()); }
static VALUE key_decrypt(int argc, VALUE *argv, VALUE self) { return key_call(argc, argv, self, KEY_DECRYPT, rb_utf8_encindex()); }
static VALUE key_decrypt_bytes(int argc, VALUE *argv, VALUE self) {
  return key_call(argc, argv, self, KEY_DECRYPT, rb_ascii8bit_encindex());
}

/* All other calls may touch the disk, and are made without the GVL. Their texts are frozen strings that the caller keeps. */
typedef struct work {
  kc_status (*call)(struct work *);
  void *ticket, *made;
  const char *text;
  size_t text_len;
  const void *keys;
  size_t keys_len;
  uint32_t flags;
  uint64_t numbers[4];
  kc_options options;
  kc_check_report report;
  kc_user_walk *walk;
  kc_user_info info;
  char *room;
  size_t capacity, len;
  kc_status (*of_user)(kc_store *, const char *, size_t, kc_error *);
  kc_status status;
  kc_error error;
} work;

static void work_slowly(void *of) {
  work *w = of;
  w->status = w->call(w);
}

static void do_work(work *w, kc_status (*call)(work *)) {
  w->call = call;
  without_gvl(work_slowly, w);
}

static VALUE frozen_text(work *w, VALUE text) {
  text = rb_str_new_frozen(given(text));
  w->text = RSTRING_PTR(text);
  w->text_len = RSTRING_LEN(text);
  return text;
}

static kc_status call_open(work *w) {
  return kc_open(w->text, w->text_len, w->keys, w->keys_len, &w->options, (kc_store **)&w->made, &w->error);
}

/* open_store(location, keys or nil, flags, busy_timeout_ms, cache_users) */
static VALUE open_store(VALUE class, VALUE location, VALUE keys, VALUE flags, VALUE busy, VALUE cache) {
  work w = {.keys_len = KC_FROM_ENVIRONMENT};
  w.options = (kc_options){sizeof(kc_options), NUM2UINT(flags), NUM2UINT(busy), NUM2UINT(cache)};
  handle *made;
  VALUE object = empty(class, &store_type, &made), text = frozen_text(&w, location), room = Qnil;
  if (keys != Qnil) {
    /* In memory of the call's own, which it wipes. */
    long count = RARRAY_LEN(keys);
    size_t len = 0;
    for (long i = 0; i < count; i++)
      len += (size_t)RSTRING_LEN(rb_ary_entry(keys, i));
    char *ring = ALLOCV_N(char, room, len + 1);
    w.keys = ring;
    w.keys_len = 0;
    for (long i = 0; i < count; i++) {
      VALUE key = rb_ary_entry(keys, i);
      if (RSTRING_LEN(key) != KC_KEY_SIZE) /* Alone, to be refused: beside others it might seem in order. */
        w.keys_len = 0;
      memcpy(ring + w.keys_len, RSTRING_PTR(key), RSTRING_LEN(key));
      w.keys_len += (size_t)RSTRING_LEN(key);
      if (RSTRING_LEN(key) != KC_KEY_SIZE)
        break;
    }
    do_work(&w, call_open);
    kc_wipe(ring, len);
    ALLOCV_END(room);
  } else {
    do_work(&w, call_open);
  }
  RB_GC_GUARD(text);
  if (w.status < 0)
    fail_with(&w.error);
  return filled(object, made, w.made);
}

static kc_status call_user_key(work *w) {
  kc_call call = KC_CALL_INIT;
  call.flags = w->flags;
  return kc_user_key(w->ticket, w->text, w->text_len, &call, (kc_key **)&w->made, &w->error);
}

static VALUE key_class;

static VALUE store_key(int argc, VALUE *argv, VALUE self) {
  work w = {.ticket = store_of(self)};
  handle *made;
  uint32_t flags = flags_of(argc, argv, 1);
  VALUE object = empty(key_class, &key_type, &made), user = frozen_text(&w, argv[0]);
  w.flags = flags | KC_CACHED_ONLY;
  if ((w.status = call_user_key(&w)) < 0) {
    w.flags = flags;
    do_work(&w, call_user_key);
  }
  RB_GC_GUARD(user);
  if (w.status < 0)
    fail_with(&w.error);
  return filled(object, made, w.made);
}

static kc_status call_pool_key(work *w) { return kc_pool_key(w->ticket, (kc_key **)&w->made, &w->error); }

static VALUE store_pool_key(VALUE self) {
  work w = {.ticket = store_of(self)};
  handle *made;
  VALUE object = empty(key_class, &key_type, &made);
  do_work(&w, call_pool_key);
  if (w.status < 0)
    fail_with(&w.error);
  return filled(object, made, w.made);
}

static VALUE key_import(VALUE class, VALUE raw) {
  handle *made;
  kc_error error;
  kc_key *key;
  VALUE object = empty(class, &key_type, &made);
  StringValue(raw);
  if (kc_key_import(RSTRING_PTR(raw), RSTRING_LEN(raw), &key, &error) < 0)
    fail_with(&error);
  return filled(object, made, key);
}

static kc_status call_export(work *w) { return kc_key_export(w->ticket, w->room, w->capacity, &w->len, &w->error); }

static VALUE key_export(VALUE self) {
  VALUE raw = rb_str_new(NULL, KC_KEY_SIZE);
  work w = {.ticket = key_of(self), .room = RSTRING_PTR(raw), .capacity = KC_KEY_SIZE};
  do_work(&w, call_export);
  if (w.status < 0)
    fail_with(&w.error);
  return raw;
}

static kc_status call_of_user(work *w) { return w->of_user(w->ticket, w->text, w->text_len, &w->error); }

static VALUE of_user(VALUE self, VALUE user, kc_status (*call)(kc_store *, const char *, size_t, kc_error *)) {
  work w = {.ticket = store_of(self), .of_user = call};
  VALUE text = frozen_text(&w, user);
  do_work(&w, call_of_user);
  RB_GC_GUARD(text);
  if (w.status < 0)
    fail_with(&w.error);
  return Qnil;
}

static VALUE store_erase_user(VALUE self, VALUE user) { return of_user(self, user, kc_erase_user); }
static VALUE store_restore_user(VALUE self, VALUE user) { return of_user(self, user, kc_restore_user); }
static VALUE store_rotate_user(VALUE self, VALUE user) { return of_user(self, user, kc_rotate_user); }
static VALUE store_forget_versions(VALUE self, VALUE user) { return of_user(self, user, kc_forget_versions); }
static VALUE store_copy(VALUE self, VALUE location) { return of_user(self, location, kc_backup); }

static kc_status call_rewrap(work *w) {
  return kc_rewrap(w->ticket, w->numbers[3], &w->numbers[0], &w->numbers[1], &w->numbers[2], &w->error);
}

/* rewrap_step(limit) → [done, remaining, skipped] */
static VALUE store_rewrap_step(VALUE self, VALUE limit) {
  work w = {.ticket = store_of(self), .numbers = {0, 0, 0, NUM2ULL(limit)}};
  do_work(&w, call_rewrap);
  if (w.status < 0)
    fail_with(&w.error);
  return rb_ary_new_from_args(3, ULL2NUM(w.numbers[0]), ULL2NUM(w.numbers[1]), ULL2NUM(w.numbers[2]));
}

static kc_status call_check(work *w) { return kc_check(w->ticket, &w->report, &w->error); }

/* check_report → its fields, in their order */
static VALUE store_check(VALUE self) {
  work w = {.ticket = store_of(self), .report = KC_CHECK_REPORT_INIT};
  do_work(&w, call_check);
  if (w.status < 0)
    fail_with(&w.error);
  VALUE keys = rb_ary_new(), states = rb_ary_new();
  for (size_t i = 0; i < sizeof w.report.keys / sizeof *w.report.keys; i++) {
    rb_ary_push(keys, ULL2NUM(w.report.keys[i]));
    rb_ary_push(states, UINT2NUM(w.report.states[i]));
  }
  return rb_ary_new_from_args(12, UINT2NUM(w.report.findings), rb_utf8_str_new_cstr(w.report.finding), ULL2NUM(w.report.users),
                              ULL2NUM(w.report.good), ULL2NUM(w.report.damaged), ULL2NUM(w.report.unopened),
                              ULL2NUM(w.report.versions), ULL2NUM(w.report.damaged_others), ULL2NUM(w.report.erased),
                              ULL2NUM(w.report.lacking), keys, states);
}

static VALUE store_stats(VALUE self) {
  kc_store_stats stats = KC_STORE_STATS_INIT;
  kc_error error;
  if (kc_stats(store_of(self), &stats, &error) < 0)
    fail_with(&error);
  return rb_ary_new_from_args(9, ULL2NUM(stats.cached_users), ULL2NUM(stats.hits), ULL2NUM(stats.misses), ULL2NUM(stats.store_reads),
                              ULL2NUM(stats.commits), ULL2NUM(stats.busy_waits), ULL2NUM(stats.handles),
                              ULL2NUM(stats.locked_bytes), ULL2NUM(stats.unlocked_bytes));
}

static kc_status call_next_user(work *w) {
  return kc_next_user(w->ticket, w->walk, w->room, w->capacity, &w->len, &w->info, &w->error);
}

/* next_user(place) → [name, status, master key, versions, created at]; nil behind the last. place: a string of new_walk's */
static VALUE store_next_user(VALUE self, VALUE place) {
  kc_user_walk walk;
  memcpy(&walk, RSTRING_PTR(place), sizeof walk);
  size_t capacity = 257;
  for (;;) {
    VALUE name = rb_str_new(NULL, (long)capacity);
    work w = {.ticket = store_of(self), .walk = &walk, .info = KC_USER_INFO_INIT, .room = RSTRING_PTR(name), .capacity = capacity};
    do_work(&w, call_next_user);
    if (w.status == KC_E_BUFFER) {
      capacity = w.len;
      continue;
    }
    if (w.status < 0)
      fail_with(&w.error);
    memcpy(RSTRING_PTR(place), &walk, sizeof walk);
    if (w.status == KC_END)
      return Qnil;
    rb_str_set_len(name, (long)w.len);
    rb_enc_associate_index(name, rb_utf8_encindex());
    return rb_ary_new_from_args(5, name, INT2NUM(w.info.key), UINT2NUM(w.info.master_key), ULL2NUM(w.info.versions),
                                rb_utf8_str_new_cstr(w.info.created_at));
  }
}

static VALUE new_walk(VALUE module) {
  kc_user_walk walk = KC_USER_WALK_INIT;
  (void)module;
  return rb_str_new((const char *)&walk, sizeof walk);
}

/* Functions of the module. */

static VALUE is_encrypted(VALUE module, VALUE value) {
  (void)module;
  return RB_TYPE_P(value, T_STRING) && kc_is_encrypted(RSTRING_PTR(value), RSTRING_LEN(value)) == 1 ? Qtrue : Qfalse;
}

static VALUE hash_api_key(VALUE module, VALUE api_key) {
  char hex[KC_HASH_SIZE];
  kc_error error;
  VALUE text = given(api_key);
  (void)module;
  if (kc_hash(RSTRING_PTR(text), RSTRING_LEN(text), hex, sizeof hex, NULL, &error) < 0)
    fail_with(&error);
  RB_GC_GUARD(text);
  return rb_utf8_str_new(hex, KC_HASH_SIZE - 1);
}

static VALUE generate_master_key(VALUE module) {
  char text[KC_MASTER_KEY_TEXT_SIZE];
  kc_error error;
  (void)module;
  if (kc_master_key_generate(text, sizeof text, NULL, &error) < 0)
    fail_with(&error);
  VALUE made = rb_utf8_str_new(text, sizeof text - 1);
  kc_wipe(text, sizeof text);
  return made;
}

static VALUE decode_master_key(VALUE module, VALUE text) {
  char raw[KC_KEY_SIZE];
  kc_error error;
  (void)module;
  text = given(text);
  if (kc_master_key_decode(RSTRING_PTR(text), RSTRING_LEN(text), raw, sizeof raw, NULL, &error) < 0)
    fail_with(&error);
  RB_GC_GUARD(text);
  VALUE made = rb_str_new(raw, sizeof raw);
  kc_wipe(raw, sizeof raw);
  return made;
}

static VALUE handle_count(VALUE module) {
  (void)module;
  return SIZET2NUM(kc_handle_count());
}

static VALUE library_version(VALUE module) {
  (void)module;
  return rb_utf8_str_new_cstr(kc_version());
}

static void check_abi(void) {
  Dl_info place = {0};
  if (kc_abi_version() == ABI)
    return;
  dladdr((void *)kc_version, &place);
  rb_raise(rb_eLoadError, "keycask: this gem needs a libkeycask of interface %d, and %s, version %s, has interface %u: install libkeycask.so.%d",
           ABI, place.dli_fname != NULL ? place.dli_fname : "the library", kc_version(), kc_abi_version(), ABI);
}

void Init_keycask(void) {
  rb_ext_ractor_safe(true);
  check_abi();
  VALUE module = rb_define_module("Keycask");
  error_class = rb_const_get(module, rb_intern("Error"));
  rb_gc_register_mark_object(error_class);
  rb_define_const(module, "KEY_SIZE", INT2FIX(KC_KEY_SIZE));
  rb_define_const(module, "MAX_MASTER_KEYS", SIZET2NUM(sizeof((kc_check_report *)0)->keys / sizeof(uint64_t)));
  rb_define_singleton_method(module, "encrypted?", is_encrypted, 1);
  rb_define_singleton_method(module, "hash_api_key", hash_api_key, 1);
  rb_define_singleton_method(module, "generate_master_key", generate_master_key, 0);
  rb_define_singleton_method(module, "decode_master_key", decode_master_key, 1);
  rb_define_singleton_method(module, "handle_count", handle_count, 0);
  rb_define_singleton_method(module, "library_version", library_version, 0);

  VALUE store = rb_define_class_under(module, "Store", rb_cObject);
  rb_undef_alloc_func(store);
  rb_define_private_method(rb_singleton_class(store), "open_store", open_store, 5);
  rb_define_private_method(rb_singleton_class(store), "new_walk", new_walk, 0);
  rb_define_method(store, "encrypt", store_encrypt, -1);
  rb_define_method(store, "decrypt", store_decrypt, -1);
  rb_define_method(store, "decrypt_bytes", store_decrypt_bytes, -1);
  rb_define_method(store, "reencrypt", store_reencrypt, -1);
  rb_define_method(store, "stale?", store_is_stale, -1);
  rb_define_method(store, "key", store_key, -1);
  rb_define_method(store, "pool_key", store_pool_key, 0);
  rb_define_method(store, "erase_user", store_erase_user, 1);
  rb_define_method(store, "restore_user", store_restore_user, 1);
  rb_define_method(store, "rotate_user", store_rotate_user, 1);
  rb_define_method(store, "forget_versions", store_forget_versions, 1);
  rb_define_private_method(store, "copy_to", store_copy, 1);
  rb_define_private_method(store, "rewrap_step", store_rewrap_step, 1);
  rb_define_private_method(store, "check_report", store_check, 0);
  rb_define_private_method(store, "statistics", store_stats, 0);
  rb_define_private_method(store, "next_user", store_next_user, 1);
  rb_define_method(store, "close", close_handle, 0);
  rb_define_method(store, "closed?", is_closed, 0);

  key_class = rb_define_class_under(module, "Key", rb_cObject);
  rb_gc_register_mark_object(key_class);
  rb_undef_alloc_func(key_class);
  rb_define_singleton_method(key_class, "import", key_import, 1);
  rb_define_method(key_class, "encrypt", key_encrypt, -1);
  rb_define_method(key_class, "decrypt", key_decrypt, -1);
  rb_define_method(key_class, "decrypt_bytes", key_decrypt_bytes, -1);
  rb_define_method(key_class, "export", key_export, 0);
  rb_define_method(key_class, "close", close_handle, 0);
  rb_define_method(key_class, "closed?", is_closed, 0);
}
