/* The test vectors, each case of them, through the C ABI. Takes the folder that they are in. */

#include "check.h"

#include <ctype.h>
#include <jansson.h>

static char vectors_folder[4096];
static json_t *module; /* vectors.json: what the Python module answered */
static json_t *ours;   /* keycask.json: more cases, and what keycask answers otherwise on purpose */
static json_t *failures; /* failures.json: cases that differ from a good one in a single thing */

/* Bytes of a case, with a NUL behind them. */
struct bytes {
  unsigned char *start;
  size_t len;
};

/* What keycask must answer to a case: a status, and with KC_OK these bytes. */
struct answer {
  kc_status status;
  struct bytes bytes;
};


/* Reading cases --------------------------------------------------------------------------------------------------- */

static struct bytes text(const json_t *string) {
  struct bytes bytes;
  bytes.len = json_string_length(string); /* 0 for null */
  bytes.start = (unsigned char *)allocate(bytes.len + 1);
  memcpy(bytes.start, bytes.len > 0 ? json_string_value(string) : "", bytes.len);
  bytes.start[bytes.len] = '\0';
  return bytes;
}

static struct bytes hex(const json_t *string) {
  static const char digits[] = "0123456789abcdef";
  struct bytes bytes = text(string);
  bytes.len /= 2;
  for (size_t i = 0; i < bytes.len; i++)
    bytes.start[i] = (unsigned char)((strchr(digits, bytes.start[2 * i]) - digits) << 4
                                     | (strchr(digits, bytes.start[2 * i + 1]) - digits));
  return bytes;
}

static const char *member(const json_t *object, const char *name) {
  return json_string_value(json_object_get(object, name));
}

static json_t *array(json_t *document, const char *name) {
  json_t *found = json_object_get(document, name);
  CHECK(json_array_size(found) > 0);
  return found;
}

static struct answer failure(kc_status status) {
  struct answer answer = { KC_OK, { NULL, 0 } };
  answer.status = status;
  return answer;
}

static struct answer success(struct bytes bytes) {
  struct answer answer = failure(KC_OK);
  answer.bytes = bytes;
  return answer;
}

static kc_status status_named(const char *name) {
  static const struct { const char *name; kc_status status; } names[] = {
    { "KC_E_FORMAT", KC_E_FORMAT },
    { "KC_E_AUTHENTICATION", KC_E_AUTHENTICATION },
    { "KC_E_UNSUPPORTED", KC_E_UNSUPPORTED },
    { "KC_E_MASTER_KEY_INVALID", KC_E_MASTER_KEY_INVALID },
    { "KC_E_MASTER_KEY_MISSING", KC_E_MASTER_KEY_MISSING },
    { "KC_E_MASTER_KEY_WRONG", KC_E_MASTER_KEY_WRONG },
    { "KC_E_ARGUMENT", KC_E_ARGUMENT },
    { "KC_E_LIMIT", KC_E_LIMIT },
    { "KC_E_UNKNOWN_USER", KC_E_UNKNOWN_USER },
    { "KC_E_WOULD_BLOCK", KC_E_WOULD_BLOCK },
    { "KC_E_CORRUPT", KC_E_CORRUPT },
    { "KC_E_IO", KC_E_IO },
  };
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    if (name != NULL && strcmp(name, names[i].name) == 0)
      return names[i].status;
  int known = 0;
  CHECK(known);
  return KC_E_INTERNAL;
}

/* {"ok_hex": ...} or {"status": ...} */
static struct answer stated(const json_t *given) {
  const json_t *ok = json_object_get(given, "ok_hex");
  return ok != NULL ? success(hex(ok)) : failure(status_named(member(given, "status")));
}

/* The answer that keycask.json states for a case of vectors.json where it is another than the module's. */
static const json_t *difference(const char *section, const char *name) {
  json_t *differences = json_object_get(ours, "differences"), *one;
  size_t i;
  json_array_foreach(differences, i, one)
    if (strcmp(member(one, "section"), section) == 0 && strcmp(member(one, "case"), name) == 0)
      return json_object_get(one, "keycask");
  return NULL;
}


/* Tokens ---------------------------------------------------------------------------------------------------------- */

static kc_key *imported(const json_t *raw_hex) {
  struct bytes raw = hex(raw_hex);
  kc_key *key = NULL;
  CHECK_STATUS(KC_OK, kc_key_import(raw.start, raw.len, &key, &why));
  free(raw.start);
  return key;
}

static void check_decrypt(kc_key *key, struct bytes token, uint32_t flags, struct answer expected) {
  kc_call call = call_with(flags);
  size_t capacity = kc_decrypted_size(token.len), len = UNTOUCHED;
  unsigned char *found = (unsigned char *)allocate(capacity);
  CHECK_STATUS(expected.status, kc_key_decrypt(key, (const char *)token.start, token.len, &call,
                                               found, capacity, &len, &why));
  if (expected.status == KC_OK)
    CHECK(len == expected.bytes.len && memcmp(found, expected.bytes.start, len) == 0 && found[len] == '\0');
  free(found);
}

static void the_modules_tokens_open(void) {
  json_t *one;
  size_t i;
  json_array_foreach(array(module, "tokens"), i, one) {
    struct bytes token = text(json_object_get(one, "token"));
    struct answer expected = success(text(json_object_get(one, "plaintext")));
    kc_key *key = imported(json_object_get(one, "key"));
    check_at((const char *)token.start);
    CHECK(kc_encrypted_size(expected.bytes.len) == token.len + 1);
    CHECK(kc_decrypted_size(token.len) > expected.bytes.len);
    CHECK(kc_is_encrypted((const char *)token.start, token.len) == 1);
    check_decrypt(key, token, 0, expected);
    check_decrypt(key, token, KC_STRICT, expected);
    kc_free(key);
    free(token.start);
    free(expected.bytes.start);
  }
}

/* The module's answer in keycask's terms. */
static struct answer module_decode_answer(const json_t *one) {
  const json_t *other = difference("decode", member(one, "name"));
  const json_t *reference = json_object_get(one, "reference"), *ok = json_object_get(reference, "ok");
  if (other != NULL)
    return stated(other);
  if (ok != NULL)
    return success(text(ok));
  return failure(strcmp(member(reference, "error"), "InvalidTag") == 0 ? KC_E_AUTHENTICATION : KC_E_FORMAT);
}

static void a_token_is_read_as_the_module_reads_it(void) {
  json_t *one;
  size_t i;
  json_array_foreach(array(module, "decode"), i, one) {
    struct bytes token = text(json_object_get(one, "token"));
    struct answer expected = module_decode_answer(one);
    kc_key *key = imported(json_object_get(one, "key"));
    check_at(member(one, "name"));
    check_decrypt(key, token, 0, expected);
    kc_free(key);
    free(token.start);
    free(expected.bytes.start);
  }
}

static void a_token_is_read_as_the_format_says(void) {
  json_t *one;
  size_t i;
  json_array_foreach(array(ours, "decode"), i, one) {
    struct bytes token = text(json_object_get(one, "token"));
    struct answer lenient = stated(json_object_get(one, "keycask")), strict = stated(json_object_get(one, "strict"));
    kc_key *key = imported(json_object_get(one, "key"));
    check_at(member(one, "name"));
    check_decrypt(key, token, 0, lenient);
    check_decrypt(key, token, KC_STRICT, strict);
    kc_free(key);
    free(token.start);
    free(lenient.bytes.start);
    free(strict.bytes.start);
  }
}

static void a_token_is_told_from_plaintext(void) {
  json_t *one;
  size_t i;
  json_array_foreach(array(module, "is_encrypted"), i, one) {
    struct bytes value = text(json_object_get(one, "value"));
    const json_t *other = difference("is_encrypted", (const char *)value.start);
    int expected = json_is_true(json_object_get(other != NULL ? other : one, "encrypted"));
    check_at((const char *)value.start);
    CHECK(kc_is_encrypted((const char *)value.start, value.len) == expected);
    free(value.start);
  }
}

static void lookup_hashes_are_the_modules(void) {
  json_t *one;
  size_t i;
  json_array_foreach(array(module, "hashes"), i, one) {
    struct bytes api_key = text(json_object_get(one, "api_key"));
    char digits[KC_HASH_SIZE];
    check_at((const char *)api_key.start);
    CHECK_STATUS(KC_OK, kc_hash(api_key.start, api_key.len, digits, sizeof digits, NULL, &why));
    CHECK(strcmp(digits, member(one, "hex")) == 0);
    free(api_key.start);
  }
}


/* Master keys ----------------------------------------------------------------------------------------------------- */

static kc_store *open_under(const char *location, const json_t *master_key_hex) {
  struct bytes master_key = hex(master_key_hex);
  kc_store *store = open_store_with(location, master_key.start, 1, 0);
  free(master_key.start);
  return store;
}

static int exports(kc_key *key, const json_t *expected_hex) {
  unsigned char raw[KC_KEY_SIZE];
  struct bytes expected = hex(expected_hex);
  CHECK_STATUS(KC_OK, kc_key_export(key, raw, sizeof raw, NULL, &why));
  int same = expected.len == sizeof raw && memcmp(raw, expected.start, sizeof raw) == 0;
  free(expected.start);
  return same;
}

static void pool_keys_are_the_modules(void) {
  json_t *one, *sealed;
  size_t i, j;
  json_array_foreach(array(module, "pool"), i, one) {
    kc_store *store = open_under(":memory:", json_object_get(one, "master_key"));
    kc_key *key = NULL;
    check_at(member(one, "master_key"));
    CHECK_STATUS(KC_OK, kc_pool_key(store, &key, &why));
    CHECK(exports(key, json_object_get(one, "pool_key")));
    json_array_foreach(array(one, "tokens"), j, sealed) {
      struct bytes token = text(json_object_get(sealed, "token"));
      struct answer expected = success(text(json_object_get(sealed, "plaintext")));
      check_decrypt(key, token, 0, expected);
      free(token.start);
      free(expected.bytes.start);
    }
    kc_free(key);
    kc_free(store);
  }
}

static void master_key_ids_are_what_the_format_says(void) {
  json_t *one;
  size_t i;
  json_array_foreach(array(ours, "master_key_id"), i, one) {
    char query[128], token[128];
    kc_store *store = open_under("keys.db", json_object_get(one, "master_key"));
    check_at(member(one, "master_key"));
    encrypt(store, "alice", "secret", token, sizeof token);
    kc_free(store);
    snprintf(query, sizeof query, "SELECT count(*) FROM keycask_master WHERE id = x'%s'", member(one, "id"));
    CHECK(sql_number("keys.db", query) == 1);
    CHECK(unlink("keys.db") == 0);
  }
}

/* A value of API_KEY_MASTER_KEY: kc_open finds this key in it, and so does kc_master_key_decode. */
static void check_master_key_text(const json_t *value, struct answer expected) {
  struct bytes given = text(value);
  char location[32] = ":memory:", token[128];
  kc_store *store = NULL;
  if (expected.status == KC_OK) { /* a store that no other key opens; most cases share a few keys */
    CHECK(expected.bytes.len == KC_KEY_SIZE);
    snprintf(location, sizeof location, "%02x%02x.db", expected.bytes.start[0], expected.bytes.start[4]);
    if (access(location, F_OK) != 0) {
      store = open_store_with(location, expected.bytes.start, 1, 0);
      encrypt(store, "alice", "secret", token, sizeof token);
      kc_free(store);
    }
  }

  if (json_is_string(value)) {
    CHECK(strlen((const char *)given.start) == given.len); /* else no environment could hold it */
    setenv("API_KEY_MASTER_KEY", (const char *)given.start, 1);
  } else {
    unsetenv("API_KEY_MASTER_KEY");
  }
  CHECK_STATUS(expected.status, kc_open(location, KC_NUL_TERMINATED, NULL, KC_FROM_ENVIRONMENT, NULL, &store, &why));
  kc_free(store);

  if (json_is_string(value)) {
    unsigned char raw[KC_KEY_SIZE];
    CHECK_STATUS(expected.status == KC_E_MASTER_KEY_MISSING ? KC_E_MASTER_KEY_INVALID : expected.status,
                 kc_master_key_decode((const char *)given.start, given.len, raw, sizeof raw, NULL, &why));
    if (expected.status == KC_OK)
      CHECK(memcmp(raw, expected.bytes.start, KC_KEY_SIZE) == 0);
  }
  free(given.start);
}

static int blank(const json_t *value) {
  const char *at = json_is_string(value) ? json_string_value(value) : "";
  while (isspace((unsigned char)*at))
    at++;
  return *at == '\0';
}

static struct answer module_master_key_answer(const json_t *one) {
  const json_t *other = difference("master_key_env", member(one, "name"));
  const json_t *reference = json_object_get(one, "reference");
  if (other != NULL)
    return stated(other);
  if (json_is_string(reference))
    return success(hex(reference));
  return failure(blank(json_object_get(one, "value")) ? KC_E_MASTER_KEY_MISSING : KC_E_MASTER_KEY_INVALID);
}

static void a_master_key_is_read_as_the_module_reads_it(void) {
  json_t *one;
  size_t i;
  json_array_foreach(array(module, "master_key_env"), i, one) {
    struct answer expected = module_master_key_answer(one);
    check_at(member(one, "name"));
    check_master_key_text(json_object_get(one, "value"), expected);
    free(expected.bytes.start);
  }
}

static void a_master_key_is_read_as_the_format_says(void) {
  json_t *one;
  size_t i;
  json_array_foreach(array(ours, "master_key_env"), i, one) {
    struct answer expected = stated(json_object_get(one, "keycask"));
    check_at(member(one, "name"));
    check_master_key_text(json_object_get(one, "value"), expected);
    free(expected.bytes.start);
  }
}


/* The module's stores --------------------------------------------------------------------------------------------- */

/* A copy of a store in the test's folder, under the same name. */
static const char *copied(const json_t *store) {
  char path[8192];
  size_t len = 0;
  const char *name = member(store, "file");
  snprintf(path, sizeof path, "%s/%s", vectors_folder, name);
  unsigned char *bytes = read_file(path, &len);
  write_file(name, bytes, len);
  free(bytes);
  return name;
}

static kc_key *user_key(kc_store *store, struct bytes user) {
  kc_call existing = call_with(KC_EXISTING);
  kc_key *key = NULL;
  CHECK_STATUS(KC_OK, kc_user_key(store, (const char *)user.start, user.len, &existing, &key, &why));
  return key;
}

static void the_modules_store_opens_and_stays_as_it_was(void) {
  json_t *reference = json_object_get(module, "reference_db"), *one;
  const char *name = copied(reference);
  struct bytes wrong = hex(json_object_get(reference, "wrong_master_key"));
  kc_store *store = NULL;
  size_t i, len = 0;
  unsigned char *before = read_file(name, &len);
  CHECK_STATUS(KC_E_MASTER_KEY_WRONG, kc_open(name, KC_NUL_TERMINATED, wrong.start, wrong.len, NULL, &store, &why));
  CHECK(unchanged(name, before, len) && count_files(".") == 1);
  free(wrong.start);

  CHECK(json_array_size(json_object_get(reference, "rows")) == json_array_size(json_object_get(reference, "users")));
  store = open_under(name, json_object_get(reference, "master_key"));
  json_array_foreach(array(reference, "users"), i, one) {
    struct bytes user = text(json_object_get(one, "user_id")), token = text(json_object_get(one, "token"));
    struct bytes expected = text(json_object_get(one, "plaintext"));
    char found[256], again[256];
    size_t found_len = 0;
    check_at((const char *)user.start);
    kc_key *key = user_key(store, user);
    CHECK(exports(key, json_object_get(one, "key")));
    kc_free(key);
    CHECK_STATUS(KC_OK, kc_decrypt(store, (const char *)user.start, user.len, (const char *)token.start, token.len,
                                   NULL, found, sizeof found, &found_len, &why));
    CHECK(found_len == expected.len && memcmp(found, expected.start, found_len) == 0);
    CHECK_STATUS(KC_OK, kc_encrypt(store, (const char *)user.start, user.len, found, found_len, NULL,
                                   again, sizeof again, NULL, &why));
    CHECK(opens(store, (const char *)user.start, again, (const char *)expected.start));
    free(user.start);
    free(token.start);
    free(expected.start);
  }
  CHECK(count_files(".") == 1);
  kc_free(store);
  CHECK(unchanged(name, before, len) && count_files(".") == 1);
  free(before);
}

static void the_modules_rows_stay_when_keycask_adds_a_user(void) {
  json_t *reference = json_object_get(module, "reference_db"), *one;
  const char *name = copied(reference);
  kc_store *store = open_under(name, json_object_get(reference, "master_key"));
  char token[128], query[2048];
  size_t i;
  encrypt(store, "new", "secret", token, sizeof token);
  kc_free(store);
  json_array_foreach(array(reference, "rows"), i, one) {
    snprintf(query, sizeof query,
             "SELECT count(*) FROM encryption_keys WHERE encrypted_key = x'%s' AND created_at = '%s'",
             member(one, "encrypted_key"), member(one, "created_at"));
    check_at(member(one, "user_id"));
    CHECK(sql_number(name, query) == 1);
  }
  CHECK(sql_number(name, "SELECT count(*) FROM encryption_keys") == (long long)i + 1);
}

static void a_damaged_row_is_told_and_harms_no_other(void) {
  static const char *const damaged[] = { "short", "flipped", "other-master", "wrong-length-key" };
  static const char *const swapped[] = { "swapped-a", "swapped-b" };
  json_t *given = json_object_get(module, "damaged_db");
  kc_store *store = open_under(copied(given), json_object_get(given, "master_key"));
  struct bytes user = text(json_object_get(given, "good_user"));
  char token[128], out[128];
  kc_key *key = user_key(store, user);
  CHECK(exports(key, json_object_get(given, "good_key")));
  kc_free(key);
  encrypt(store, (const char *)user.start, "secret", token, sizeof token);
  CHECK(opens(store, (const char *)user.start, token, "secret"));
  free(user.start);

  for (int i = 0; i < 4; i++) {
    check_at(damaged[i]);
    CHECK_STATUS(KC_E_CORRUPT, kc_encrypt(store, damaged[i], KC_NUL_TERMINATED, TEXT("secret"), NULL,
                                          out, sizeof out, NULL, &why));
    CHECK_STATUS(KC_E_CORRUPT, kc_decrypt(store, damaged[i], KC_NUL_TERMINATED, token, strlen(token), NULL,
                                          out, sizeof out, NULL, &why));
    key = (kc_key *)(void *)&why;
    CHECK_STATUS(KC_E_CORRUPT, kc_user_key(store, damaged[i], KC_NUL_TERMINATED, NULL, &key, &why));
    CHECK(key == NULL);
  }
  for (int i = 0; i < 2; i++) { /* v2 binds no user into a wrapped key */
    check_at(swapped[i]);
    encrypt(store, swapped[i], "secret", token, sizeof token);
    CHECK(opens(store, swapped[i], token, "secret"));
  }
  CHECK(sql_number("damaged.db", "SELECT count(*) FROM encryption_keys") == 7);
  kc_free(store);
}

/* What differs in one thing ---------------------------------------------------------------------------------------- */

static const json_t *good(const char *name) { return json_object_get(json_object_get(failures, "good"), name); }

static kc_status expected_of(const json_t *one) {
  check_at(member(one, "sentence"));
  return status_named(member(one, "status"));
}

static uint32_t flags_of(const json_t *named) {
  uint32_t flags = 0;
  for (size_t i = 0; i < json_array_size(named); i++) {
    const char *name = json_string_value(json_array_get(named, i));
    flags |= strcmp(name, "KC_STRICT") == 0 ? KC_STRICT : strcmp(name, "KC_EXISTING") == 0 ? KC_EXISTING : KC_CACHED_ONLY;
  }
  return flags;
}

static void a_token_that_differs_in_one_thing_is_refused_for_that(void) {
  json_t *one;
  size_t i;
  json_array_foreach(array(failures, "tokens"), i, one) {
    struct bytes token = text(json_object_get(one, "token"));
    kc_key *key = imported(json_object_get(one, "key"));
    check_decrypt(key, token, flags_of(json_object_get(one, "flags")), failure(expected_of(one)));
    kc_free(key);
    free(token.start);
  }
}

static void a_master_keys_text_that_differs_in_one_thing_is_refused_for_that(void) {
  json_t *one;
  size_t i;
  json_array_foreach(array(failures, "master_keys"), i, one) {
    struct bytes value = text(json_object_get(one, "text"));
    unsigned char raw[KC_KEY_SIZE];
    CHECK_STATUS(expected_of(one),
                 kc_master_key_decode((const char *)value.start, value.len, raw, sizeof raw, NULL, &why));
    free(value.start);
  }
}

/* Encrypts or decrypts for a user. */
static kc_status used(kc_store *store, const char *verb, struct bytes user, struct bytes token, uint32_t flags) {
  char found[256];
  kc_call call = call_with(flags);
  const char *name = (const char *)user.start;
  if (strcmp(verb, "encrypt") == 0)
    return kc_encrypt(store, name, user.len, "sk", 2, &call, found, sizeof found, NULL, &why);
  return kc_decrypt(store, name, user.len, (const char *)token.start, token.len, &call, found, sizeof found, NULL, &why);
}

static void a_store_that_differs_in_one_thing_is_refused_for_that(void) {
  char path[8192];
  size_t i, j, len = 0;
  json_t *one, *patch;
  struct bytes master_key = hex(good("master_key")), user = text(good("user")), token = text(good("token"));
  snprintf(path, sizeof path, "%s/%s", vectors_folder, json_string_value(good("store")));
  unsigned char *original = read_file(path, &len);
  json_array_foreach(array(failures, "stores"), i, one) {
    const char *verb = member(one, "call");
    size_t altered_len = (size_t)json_integer_value(json_object_get(one, "length"));
    unsigned char *altered = (unsigned char *)allocate(altered_len);
    memset(altered, 0, altered_len);
    memcpy(altered, original, altered_len < len ? altered_len : len);
    json_array_foreach(json_object_get(one, "patches"), j, patch) {
      struct bytes bytes = hex(json_object_get(patch, "bytes"));
      memcpy(altered + json_integer_value(json_object_get(patch, "at")), bytes.start, bytes.len);
      free(bytes.start);
    }
    write_file("altered.db", altered, altered_len);
    free(altered);
    kc_store *store = NULL;
    kc_status expected = expected_of(one);
    check_forget();
    kc_status status = kc_open("altered.db", KC_NUL_TERMINATED, master_key.start, master_key.len, NULL, &store, &why);
    if (status == KC_OK && strcmp(verb, "open") != 0)
      CHECK_STATUS(expected, used(store, verb, user, token, 0));
    else
      CHECK(status == expected);
    kc_free(store);
    remove("altered.db");
  }
  free(original);
  free(master_key.start);
  free(user.start);
  free(token.start);
}

static void a_call_that_differs_in_one_thing_is_refused_for_that(void) {
  size_t i;
  json_t *one;
  struct bytes master_key = hex(good("master_key")), user = text(good("user"));
  kc_store *store = open_store_with(":memory:", master_key.start, 1, 0), *other = NULL;
  struct bytes made = { (unsigned char *)allocate(256), 0 };
  CHECK_STATUS(KC_OK, kc_encrypt(store, (const char *)user.start, user.len, "sk", 2, NULL, (char *)made.start, 256,
                                 &made.len, &why));
  json_array_foreach(array(failures, "calls"), i, one) {
    const json_t *given = json_object_get(one, "given"), *token = json_object_get(given, "token");
    const char *verb = member(one, "call");
    struct bytes raw = hex(json_object_get(given, "raw_hex")), keys = hex(json_object_get(given, "master_keys_hex"));
    struct bytes name = hex(json_object_get(given, "user_hex")), sent = text(token);
    struct bytes location = text(json_object_get(given, "location"));
    struct bytes as = json_object_get(given, "user_hex") ? name : user;
    kc_call call = call_with(flags_of(json_object_get(given, "flags")));
    kc_status expected = expected_of(one);
    kc_key *key = NULL;
    if (strcmp(verb, "user_key") == 0)
      CHECK_STATUS(expected, kc_user_key(store, (const char *)as.start, as.len, &call, &key, &why));
    else if (strcmp(verb, "key_import") == 0)
      CHECK_STATUS(expected, kc_key_import(raw.start, raw.len, &key, &why));
    else if (strcmp(verb, "open") == 0 && json_object_get(given, "location"))
      CHECK_STATUS(expected, kc_open((const char *)location.start, location.len, master_key.start, master_key.len, NULL,
                                     &other, &why));
    else if (strcmp(verb, "open") == 0)
      CHECK_STATUS(expected, kc_open(":memory:", 8, keys.start, keys.len, NULL, &other, &why));
    else
      CHECK_STATUS(expected, used(store, verb, as, token != NULL ? sent : made, call.flags));
    free(raw.start);
    free(keys.start);
    free(name.start);
    free(sent.start);
    free(location.start);
  }
  kc_free(store);
  free(made.start);
  free(user.start);
  free(master_key.start);
}


static json_t *load(const char *name) {
  char path[8192];
  json_error_t error;
  snprintf(path, sizeof path, "%s/%s", vectors_folder, name);
  json_t *document = json_load_file(path, JSON_ALLOW_NUL, &error);
  if (document == NULL) {
    printf("%s:%d: %s\n", path, error.line, error.text);
    exit(2);
  }
  return document;
}

int main(int count, char **arguments) {
  if (count != 2 || realpath(arguments[1], vectors_folder) == NULL) {
    printf("usage: vectors FOLDER\n");
    return 2;
  }
  module = load("vectors.json");
  ours = load("keycask.json");
  failures = load("failures.json");
  RUN(the_modules_tokens_open);
  RUN(a_token_is_read_as_the_module_reads_it);
  RUN(a_token_is_read_as_the_format_says);
  RUN(a_token_is_told_from_plaintext);
  RUN(lookup_hashes_are_the_modules);
  RUN(pool_keys_are_the_modules);
  RUN(master_key_ids_are_what_the_format_says);
  RUN(a_master_key_is_read_as_the_module_reads_it);
  RUN(a_master_key_is_read_as_the_format_says);
  RUN(the_modules_store_opens_and_stays_as_it_was);
  RUN(the_modules_rows_stay_when_keycask_adds_a_user);
  RUN(a_damaged_row_is_told_and_harms_no_other);
  RUN(a_token_that_differs_in_one_thing_is_refused_for_that);
  RUN(a_master_keys_text_that_differs_in_one_thing_is_refused_for_that);
  RUN(a_store_that_differs_in_one_thing_is_refused_for_that);
  RUN(a_call_that_differs_in_one_thing_is_refused_for_that);
  json_decref(module);
  json_decref(ours);
  json_decref(failures);
  return check_report();
}
