/*
 * A panic forced in every exported function, against a library that was built for it.
 *
 *     panics               every function; then with a lock held, in a transaction, in the making of a handle
 *     panics --functions   the functions that it knows, a line each
 *
 * A function with a status must answer KC_E_INTERNAL, another its empty answer. The process lives on, and so do the store
 * and its handles.
 */

#include "check.h"

static kc_store *store;
static kc_key *key;
static char token[80];

/* A text as pointer and length. */
#define STRING(text) (text), KC_NUL_TERMINATED

static kc_status call_open(void) {
  kc_store *opened;
  return kc_open(TEXT(":memory:"), MASTER_KEY, KC_KEY_SIZE, NULL, &opened, &why);
}

static kc_status call_encrypt(void) {
  char text[80];
  return kc_encrypt(store, TEXT("alice"), TEXT("sk"), NULL, text, sizeof text, NULL, &why);
}

static kc_status call_decrypt(void) {
  char text[80];
  return kc_decrypt(store, TEXT("alice"), STRING(token), NULL, text, sizeof text, NULL, &why);
}

static kc_status call_hash(void) {
  char hex[KC_HASH_SIZE];
  return kc_hash("sk", 2, hex, sizeof hex, NULL, &why);
}

static kc_status call_user_key(void) {
  kc_key *made;
  return kc_user_key(store, TEXT("alice"), NULL, &made, &why);
}

static kc_status call_pool_key(void) {
  kc_key *made;
  return kc_pool_key(store, &made, &why);
}

static kc_status call_import(void) {
  kc_key *made;
  return kc_key_import(MASTER_KEY, KC_KEY_SIZE, &made, &why);
}

static kc_status call_export(void) {
  char raw[KC_KEY_SIZE];
  return kc_key_export(key, raw, sizeof raw, NULL, &why);
}

static kc_status call_key_encrypt(void) {
  char text[80];
  return kc_key_encrypt(key, TEXT("sk"), NULL, text, sizeof text, NULL, &why);
}

static kc_status call_key_decrypt(void) {
  char text[80];
  return kc_key_decrypt(key, STRING(token), NULL, text, sizeof text, NULL, &why);
}

static kc_status call_generate(void) {
  char text[KC_MASTER_KEY_TEXT_SIZE];
  return kc_master_key_generate(text, sizeof text, NULL, &why);
}

static kc_status call_decode(void) {
  char raw[KC_KEY_SIZE];
  return kc_master_key_decode(TEXT("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), raw, sizeof raw, NULL, &why);
}

static kc_status call_rewrap(void) { return kc_rewrap(store, 1, NULL, NULL, NULL, &why); }
static kc_status call_erase(void) { return kc_erase_user(store, TEXT("erased"), &why); }
static kc_status call_restore(void) { return kc_restore_user(store, TEXT("alice"), &why); }
static kc_status call_rotate(void) { return kc_rotate_user(store, TEXT("alice"), &why); }
static kc_status call_forget(void) { return kc_forget_versions(store, TEXT("alice"), &why); }
static kc_status call_backup(void) { return kc_backup(store, TEXT("copy.db"), &why); }

static kc_status call_reencrypt(void) {
  char text[80];
  return kc_reencrypt(store, TEXT("alice"), STRING(token), NULL, text, sizeof text, NULL, &why);
}

static kc_status call_check(void) {
  kc_check_report report = KC_CHECK_REPORT_INIT;
  return kc_check(store, &report, &why);
}

static kc_status call_next_user(void) {
  kc_user_walk walk = KC_USER_WALK_INIT;
  char user[80];
  return kc_next_user(store, &walk, user, sizeof user, NULL, NULL, &why);
}

static kc_status call_stats(void) {
  kc_store_stats stats = KC_STORE_STATS_INIT;
  return kc_stats(store, &stats, &why);
}

static kc_status call_free(void) { return kc_free(key); }

/* What has no status answers as if there were nothing. */
static kc_status call_version(void) { return kc_version()[0] == '\0' ? KC_E_INTERNAL : KC_OK; }
static kc_status call_abi_version(void) { return kc_abi_version() == 0 ? KC_E_INTERNAL : KC_OK; }
static kc_status call_status_text(void) { return kc_status_text(KC_OK)[0] == '\0' ? KC_E_INTERNAL : KC_OK; }
static kc_status call_handle_count(void) { return kc_handle_count() == 0 ? KC_E_INTERNAL : KC_OK; }
static kc_status call_encrypted_size(void) { return kc_encrypted_size(1) == 0 ? KC_E_INTERNAL : KC_OK; }
static kc_status call_decrypted_size(void) { return kc_decrypted_size(44) == 0 ? KC_E_INTERNAL : KC_OK; }
static kc_status call_is_encrypted(void) { return kc_is_encrypted(TEXT("v2:")) == 0 ? KC_E_INTERNAL : KC_OK; }

static kc_status call_wipe(void) {
  char secret = 's';
  kc_wipe(&secret, 1);
  return secret == 's' ? KC_E_INTERNAL : KC_OK;
}

static const struct { const char *name; kc_status (*call)(void); } FUNCTIONS[] = {
  { "kc_abi_version", call_abi_version },
  { "kc_backup", call_backup },
  { "kc_check", call_check },
  { "kc_decrypt", call_decrypt },
  { "kc_decrypted_size", call_decrypted_size },
  { "kc_encrypt", call_encrypt },
  { "kc_encrypted_size", call_encrypted_size },
  { "kc_erase_user", call_erase },
  { "kc_forget_versions", call_forget },
  { "kc_free", call_free },
  { "kc_handle_count", call_handle_count },
  { "kc_hash", call_hash },
  { "kc_is_encrypted", call_is_encrypted },
  { "kc_key_decrypt", call_key_decrypt },
  { "kc_key_encrypt", call_key_encrypt },
  { "kc_key_export", call_export },
  { "kc_key_import", call_import },
  { "kc_master_key_decode", call_decode },
  { "kc_master_key_generate", call_generate },
  { "kc_next_user", call_next_user },
  { "kc_open", call_open },
  { "kc_pool_key", call_pool_key },
  { "kc_reencrypt", call_reencrypt },
  { "kc_restore_user", call_restore },
  { "kc_rewrap", call_rewrap },
  { "kc_rotate_user", call_rotate },
  { "kc_stats", call_stats },
  { "kc_status_text", call_status_text },
  { "kc_user_key", call_user_key },
  { "kc_version", call_version },
  { "kc_wipe", call_wipe },
};
#define COUNT (sizeof FUNCTIONS / sizeof *FUNCTIONS)

static void panic_at(const char *place) {
  if (place)
    setenv("KEYCASK_PANIC", place, 1);
  else
    unsetenv("KEYCASK_PANIC");
}

static void work_is_done(const char *user) {
  char text[80], plaintext[80];
  CHECK_STATUS(KC_OK, kc_encrypt(store, STRING(user), TEXT("sk"), NULL, text, sizeof text, NULL, &why));
  CHECK_STATUS(KC_OK, kc_decrypt(store, STRING(user), STRING(text), NULL, plaintext, sizeof plaintext, NULL, &why));
  CHECK(strcmp(plaintext, "sk") == 0);
  CHECK_STATUS(KC_OK, call_key_decrypt());
}

static void set_up(void) {
  store = open_store("keys.db");
  CHECK_STATUS(KC_OK, kc_user_key(store, TEXT("alice"), NULL, &key, &why));
  CHECK_STATUS(KC_OK, kc_key_encrypt(key, TEXT("sk"), NULL, token, sizeof token, NULL, &why));
}

static void tear_down(void) {
  CHECK_STATUS(KC_OK, kc_free(key));
  CHECK_STATUS(KC_OK, kc_free(store));
}

static void a_panic_in_any_function_is_a_status_and_the_store_works_on(void) {
  set_up();
  for (size_t at = 0; at < COUNT; at++) {
    check_at(FUNCTIONS[at].name);
    panic_at("call");
    CHECK(FUNCTIONS[at].call() == KC_E_INTERNAL);
    panic_at(NULL);
    work_is_done("alice");
  }
  tear_down();
}

static void a_panic_with_a_lock_held_locks_nothing_for_ever(void) {
  const char *const places[] = { "transaction", "cache" };
  set_up();
  for (size_t at = 0; at < sizeof places / sizeof *places; at++) {
    panic_at(places[at]);
    char text[80];
    check_at(places[at]);
    CHECK_STATUS(KC_E_INTERNAL,
                 kc_encrypt(store, STRING(places[at]), TEXT("sk"), NULL, text, sizeof text, NULL, &why));
    panic_at(NULL);
    work_is_done(places[at]);
    work_is_done("another");
  }
  tear_down();
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "--functions") == 0) {
    for (size_t at = 0; at < COUNT; at++)
      puts(FUNCTIONS[at].name);
    return 0;
  }
  RUN(a_panic_in_any_function_is_a_status_and_the_store_works_on);
  RUN(a_panic_with_a_lock_held_locks_nothing_for_ever);
  return check_report();
}
