/* Keys as handles: a user's, the pool's, imported ones. */

#include "check.h"

#define SECRET "sk-alice-0123456789"
#define MOST ((size_t)64 << 20)

static const unsigned char RAW[KC_KEY_SIZE] = { 1, 2, 3, 0, 5 };

static kc_key *imported(const unsigned char *raw) {
  kc_key *key = NULL;
  CHECK_STATUS(KC_OK, kc_key_import(raw, KC_KEY_SIZE, &key, &why));
  return key;
}

static kc_key *user_key(kc_store *store, const char *user) {
  kc_key *key = NULL;
  CHECK_STATUS(KC_OK, kc_user_key(store, user, KC_NUL_TERMINATED, NULL, &key, &why));
  return key;
}

static kc_key *pool_key(kc_store *store) {
  kc_key *key = NULL;
  CHECK_STATUS(KC_OK, kc_pool_key(store, &key, &why));
  return key;
}

static void key_encrypt(kc_key *key, const char *text, char *token, size_t capacity) {
  token[0] = '\0';
  CHECK_STATUS(KC_OK, kc_key_encrypt(key, text, strlen(text), NULL, token, capacity, NULL, &why));
}

static int key_opens(kc_key *key, const char *token, const char *text) {
  char found[256];
  size_t len = 0;
  CHECK_STATUS(KC_OK, kc_key_decrypt(key, token, KC_NUL_TERMINATED, NULL, found, sizeof found, &len, &why));
  return len == strlen(text) && memcmp(found, text, len) == 0;
}

static int same_key(kc_key *one, kc_key *two) {
  unsigned char raw[2][KC_KEY_SIZE] = { { 1 }, { 2 } };
  CHECK_STATUS(KC_OK, kc_key_export(one, raw[0], KC_KEY_SIZE, NULL, &why));
  CHECK_STATUS(KC_OK, kc_key_export(two, raw[1], KC_KEY_SIZE, NULL, &why));
  return memcmp(raw[0], raw[1], KC_KEY_SIZE) == 0;
}


/* Users' keys ----------------------------------------------------------------------------------------------------- */

static void a_users_key_opens_what_is_encrypted_for_the_user_and_the_other_way_round(void) {
  kc_store *store = open_store(":memory:");
  char token[128];
  encrypt(store, "alice", SECRET, token, sizeof token);
  kc_key *key = user_key(store, "alice");
  CHECK(key_opens(key, token, SECRET));
  key_encrypt(key, "another", token, sizeof token);
  CHECK(opens(store, "alice", token, "another"));
  kc_free(key);
  kc_free(store);
}

static void each_user_has_one_key_of_their_own(void) {
  kc_store *store = open_store("keys.db"), *second = open_store("keys.db");
  kc_key *alice = user_key(store, "alice"), *same = user_key(second, "alice"), *bob = user_key(store, "bob");
  CHECK(same_key(alice, same));
  CHECK(!same_key(alice, bob));
  kc_free(alice);
  kc_free(same);
  kc_free(bob);
  kc_free(store);
  kc_free(second);
}

static void a_new_user_gets_a_key_unless_only_existing_ones_are_asked_for(void) {
  kc_store *store = open_store("keys.db");
  kc_call existing = call_with(KC_EXISTING);
  kc_key *key = (kc_key *)(void *)&why;
  CHECK_STATUS(KC_E_UNKNOWN_USER, kc_user_key(store, TEXT("alice"), &existing, &key, &why));
  CHECK(key == NULL && sql_number("keys.db", "SELECT count(*) FROM encryption_keys") == 0);
  kc_free(user_key(store, "alice"));
  CHECK(sql_number("keys.db", "SELECT count(*) FROM encryption_keys") == 1);
  CHECK_STATUS(KC_OK, kc_user_key(store, TEXT("alice"), &existing, &key, &why));
  kc_free(key);
  kc_free(store);
}

static void a_key_that_is_not_cached_would_block(void) {
  kc_store *store = open_store("keys.db");
  kc_call cached = call_with(KC_CACHED_ONLY);
  kc_key *key = (kc_key *)(void *)&why;
  CHECK_STATUS(KC_E_WOULD_BLOCK, kc_user_key(store, TEXT("alice"), &cached, &key, &why));
  CHECK(key == NULL && sql_number("keys.db", "SELECT count(*) FROM encryption_keys") == 0);
  kc_free(user_key(store, "alice"));
  CHECK_STATUS(KC_OK, kc_user_key(store, TEXT("alice"), &cached, &key, &why));
  kc_free(key);
  kc_free(store);
}

static void what_a_user_key_is_asked_for_is_checked(void) {
  static char long_user[4097];
  kc_store *store = open_store("keys.db");
  kc_call unknown = call_with(32);
  kc_key *key = (kc_key *)(void *)&why;
  unsigned char memory[64];
  memset(long_user, 'u', sizeof long_user);
  memset(memory, 'u', sizeof memory);
  CHECK_STATUS(KC_E_ARGUMENT, kc_user_key(store, TEXT(""), NULL, &key, &why));
  CHECK(key == NULL);
  CHECK_STATUS(KC_E_ARGUMENT, kc_user_key(store, NULL, 0, NULL, &key, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_user_key(store, NULL, 5, NULL, &key, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_user_key(store, "alice", TOO_LONG, NULL, &key, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_user_key(store, TEXT("\xff"), NULL, &key, &why));
  CHECK_STATUS(KC_E_LIMIT, kc_user_key(store, long_user, sizeof long_user, NULL, &key, &why));
  CHECK_STATUS(KC_E_UNSUPPORTED, kc_user_key(store, TEXT("alice"), &unknown, &key, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_user_key(store, TEXT("alice"), NULL, NULL, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_user_key(store, (const char *)memory, 32, NULL,
                                          (kc_key **)(void *)(memory + 24), &why));
  CHECK(sql_number("keys.db", "SELECT count(*) FROM encryption_keys") == 0);
  kc_free(store);
}


/* The pool's key -------------------------------------------------------------------------------------------------- */

static void the_pool_key_comes_from_the_first_master_key(void) {
  unsigned char ring[2 * KC_KEY_SIZE];
  memcpy(ring, MASTER_KEY, KC_KEY_SIZE);
  memcpy(ring + KC_KEY_SIZE, OTHER_MASTER_KEY, KC_KEY_SIZE);
  kc_store *store = open_store("keys.db"), *second = open_store_with(":memory:", ring, 2, 0);
  kc_key *one = pool_key(store), *two = pool_key(store), *three = pool_key(second);
  kc_key *alice = user_key(store, "alice");
  char token[128];
  CHECK(same_key(one, two) && same_key(one, three));
  CHECK(!same_key(one, alice));
  key_encrypt(one, SECRET, token, sizeof token);
  CHECK(key_opens(three, token, SECRET));
  kc_free(one);
  kc_free(two);
  kc_free(three);
  kc_free(alice);
  kc_free(store);
  kc_free(second);
}

static void the_pool_key_touches_no_file(void) {
  kc_store *store = open_store("keys.db");
  size_t len = 0;
  unsigned char *before = read_file("keys.db", &len);
  kc_free(pool_key(store));
  CHECK(unchanged("keys.db", before, len));
  CHECK(unlink("keys.db") == 0);
  kc_free(pool_key(store));
  CHECK(count_files(".") == 0);
  free(before);
  kc_free(store);
}

static void a_pool_key_needs_a_store_and_a_place(void) {
  kc_store *store = open_store(":memory:");
  kc_key *key = (kc_key *)(void *)&why;
  CHECK_STATUS(KC_E_ARGUMENT, kc_pool_key(store, NULL, &why));
  CHECK_STATUS(KC_E_HANDLE, kc_pool_key(NULL, &key, &why));
  CHECK(key == NULL);
  CHECK_STATUS(KC_E_ARGUMENT, kc_pool_key(NULL, NULL, &why));
  kc_free(store);
}


/* Keys of one's own ----------------------------------------------------------------------------------------------- */

static void an_imported_key_is_what_was_imported(void) {
  unsigned char raw[KC_KEY_SIZE], found[KC_KEY_SIZE];
  size_t len = 0;
  memcpy(raw, RAW, sizeof raw);
  kc_key *key = imported(raw);
  kc_wipe(raw, sizeof raw); /* it was copied */
  CHECK_STATUS(KC_OK, kc_key_export(key, found, sizeof found, &len, &why));
  CHECK(len == KC_KEY_SIZE && memcmp(found, RAW, KC_KEY_SIZE) == 0);
  kc_free(key);
}

static void an_exported_user_key_opens_the_users_tokens(void) {
  kc_store *store = open_store(":memory:");
  unsigned char raw[KC_KEY_SIZE];
  char token[128];
  encrypt(store, "alice", SECRET, token, sizeof token);
  kc_key *key = user_key(store, "alice");
  CHECK_STATUS(KC_OK, kc_key_export(key, raw, sizeof raw, NULL, &why));
  kc_free(key);
  kc_free(store);
  key = imported(raw);
  CHECK(key_opens(key, token, SECRET));
  kc_free(key);
}

static void a_key_has_32_bytes(void) {
  unsigned char raw[64] = { 0 };
  kc_key *key = (kc_key *)(void *)&why;
  for (size_t n = 0; n <= sizeof raw; n++)
    if (n != KC_KEY_SIZE) {
      CHECK_STATUS(KC_E_ARGUMENT, kc_key_import(raw, n, &key, &why));
      CHECK(key == NULL);
    }
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_import(NULL, 0, &key, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_import(NULL, KC_KEY_SIZE, &key, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_import(raw, KC_NUL_TERMINATED, &key, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_import(raw, TOO_LONG, &key, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_import(raw, KC_KEY_SIZE, NULL, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_import(raw, KC_KEY_SIZE, (kc_key **)(void *)(raw + 31), &why));
}

static void an_export_takes_32_bytes_and_a_nul_where_there_is_room(void) {
  kc_key *key = imported(RAW);
  unsigned char raw[40];
  size_t len = UNTOUCHED;
  fill(raw, sizeof raw);
  CHECK_STATUS(KC_E_BUFFER, kc_key_export(key, raw, KC_KEY_SIZE - 1, &len, &why));
  CHECK(len == KC_KEY_SIZE && untouched(raw, sizeof raw));
  len = UNTOUCHED;
  CHECK_STATUS(KC_E_BUFFER, kc_key_export(key, NULL, 0, &len, &why));
  CHECK(len == KC_KEY_SIZE);
  CHECK_STATUS(KC_OK, kc_key_export(key, raw, KC_KEY_SIZE, &len, &why));
  CHECK(memcmp(raw, RAW, KC_KEY_SIZE) == 0 && untouched(raw + KC_KEY_SIZE, sizeof raw - KC_KEY_SIZE));
  CHECK_STATUS(KC_OK, kc_key_export(key, raw, KC_KEY_SIZE + 1, NULL, &why));
  CHECK(raw[KC_KEY_SIZE] == 0 && untouched(raw + KC_KEY_SIZE + 1, sizeof raw - KC_KEY_SIZE - 1));

  fill(raw, sizeof raw);
  len = UNTOUCHED;
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_export(key, NULL, KC_KEY_SIZE, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_export(key, raw, TOO_LONG, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_export(key, raw, SIZE_MAX, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_export(key, raw, KC_KEY_SIZE, (size_t *)(void *)(raw + 31), &why));
  CHECK_STATUS(KC_E_HANDLE, kc_key_export(NULL, raw, 0, &len, &why));
  CHECK(len == UNTOUCHED && untouched(raw, sizeof raw));
  kc_free(key);
}


/* Encrypting under a key in hand ---------------------------------------------------------------------------------- */

static void a_key_takes_plaintexts_of_every_length(void) {
  kc_key *key = imported(RAW);
  unsigned char plaintext[201], found[203];
  char token[400];
  for (size_t n = 0; n <= 200; n++) {
    size_t needed = kc_encrypted_size(n), token_len = UNTOUCHED, len = UNTOUCHED;
    for (size_t i = 0; i < n; i++)
      plaintext[i] = (unsigned char)(i * 7 + n);
    fill(token, sizeof token);
    fill(found, sizeof found);
    CHECK_STATUS(KC_E_BUFFER, kc_key_encrypt(key, plaintext, n, NULL, token, needed - 1, &token_len, &why));
    CHECK(token_len == needed && untouched(token, sizeof token));
    CHECK_STATUS(KC_OK, kc_key_encrypt(key, plaintext, n, NULL, token, needed, &token_len, &why));
    CHECK(token_len == needed - 1 && strlen(token) == token_len && untouched(token + needed, sizeof token - needed));
    if (n > 0) {
      CHECK_STATUS(KC_E_BUFFER, kc_key_decrypt(key, token, token_len, NULL, found, n - 1, &len, &why));
      CHECK(len == n && untouched(found, sizeof found));
    }
    CHECK_STATUS(KC_OK, kc_key_decrypt(key, token, token_len, NULL, found, n, &len, &why));
    CHECK(len == n && memcmp(found, plaintext, n) == 0 && untouched(found + n, sizeof found - n));
    CHECK_STATUS(KC_OK, kc_key_decrypt(key, token, token_len, NULL, found, n + 1, &len, &why));
    CHECK(found[n] == '\0' && untouched(found + n + 1, sizeof found - n - 1));
  }
  kc_free(key);
}

static void a_key_takes_no_more_than_64_mib(void) {
  kc_key *key = imported(RAW);
  void *plaintext = calloc(MOST + 1, 1);
  size_t len = UNTOUCHED;
  CHECK_STATUS(KC_E_LIMIT, kc_key_encrypt(key, plaintext, MOST + 1, NULL, NULL, 0, &len, &why));
  CHECK(len == UNTOUCHED);
  CHECK_STATUS(KC_E_BUFFER, kc_key_encrypt(key, plaintext, MOST, NULL, NULL, 0, &len, &why));
  CHECK(len == kc_encrypted_size(MOST));
  free(plaintext);
  kc_free(key);
}

static void the_everyday_rules_hold_for_a_key_too(void) {
  kc_key *key = imported(RAW);
  char memory[512], before[512], *token = memory + 300;
  size_t len = UNTOUCHED, n;
  memset(memory, 'm', sizeof memory);
  key_encrypt(key, SECRET, token, 128);
  n = strlen(token);
  memcpy(before, memory, sizeof memory);

  CHECK_STATUS(KC_E_ARGUMENT, kc_key_encrypt(key, NULL, 1, NULL, memory, 128, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_encrypt(key, SECRET, KC_NUL_TERMINATED, NULL, memory, 128, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_encrypt(key, SECRET, TOO_LONG, NULL, memory, 128, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_encrypt(key, TEXT(SECRET), NULL, NULL, 128, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_encrypt(key, TEXT(SECRET), NULL, memory, TOO_LONG, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_encrypt(key, memory, 50, NULL, memory + 49, 128, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_encrypt(key, TEXT(SECRET), NULL, memory, 128,
                                             (size_t *)(void *)(memory + 120), &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_decrypt(key, NULL, 1, NULL, memory, 128, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_decrypt(key, NULL, KC_NUL_TERMINATED, NULL, memory, 128, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_decrypt(key, token, TOO_LONG, NULL, memory, 128, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_decrypt(key, token, n, NULL, NULL, 128, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_decrypt(key, token, n, NULL, memory, TOO_LONG, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_decrypt(key, token, n, NULL, token, n, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_decrypt(key, token, n, NULL, memory, 128, (size_t *)(void *)token, &why));
  CHECK_STATUS(KC_E_FORMAT, kc_key_decrypt(key, TEXT("sk-legacy"), NULL, memory, 128, &len, &why));
  CHECK_STATUS(KC_E_FORMAT, kc_key_decrypt(key, NULL, 0, NULL, NULL, 0, &len, &why));
  CHECK_STATUS(KC_E_UNSUPPORTED, kc_key_decrypt(key, TEXT("v3:AAAA"), NULL, memory, 128, &len, &why));
  CHECK_STATUS(KC_E_HANDLE, kc_key_encrypt(NULL, TEXT(SECRET), NULL, NULL, 0, &len, &why));
  CHECK_STATUS(KC_E_HANDLE, kc_key_decrypt(NULL, TEXT("no token"), NULL, NULL, 0, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_encrypt(NULL, NULL, 1, NULL, NULL, 0, &len, &why));
  CHECK(len == UNTOUCHED && memcmp(memory, before, sizeof memory) == 0);
  kc_free(key);
}

static void another_key_and_an_altered_token_do_not_open(void) {
  kc_key *key = imported(RAW), *other = imported(MASTER_KEY);
  char token[128], out[128];
  size_t len = UNTOUCHED;
  fill(out, sizeof out);
  key_encrypt(key, SECRET, token, sizeof token);
  CHECK_STATUS(KC_E_AUTHENTICATION, kc_key_decrypt(other, token, strlen(token), NULL, out, sizeof out, &len, &why));
  token[30] = token[30] == 'A' ? 'B' : 'A';
  CHECK_STATUS(KC_E_AUTHENTICATION, kc_key_decrypt(key, token, strlen(token), NULL, out, sizeof out, &len, &why));
  CHECK(len == UNTOUCHED && untouched(out, sizeof out));
  kc_free(key);
  kc_free(other);
}

static void a_kc_call_counts_for_a_key_too(void) {
  kc_key *key = imported(RAW);
  kc_call call = KC_CALL_INIT;
  char token[128], out[128];
  key_encrypt(key, SECRET, token, sizeof token);
  for (int bit = 0; bit < 32; bit++) {
    call.flags = (uint32_t)1 << bit;
    kc_status expected = bit < 4 ? KC_OK : KC_E_UNSUPPORTED;
    CHECK_STATUS(expected, kc_key_decrypt(key, token, strlen(token), &call, out, sizeof out, NULL, &why));
    CHECK_STATUS(expected, kc_key_encrypt(key, TEXT(SECRET), &call, out, sizeof out, NULL, &why));
  }
  call.flags = KC_STRICT;
  CHECK_STATUS(KC_E_FORMAT, kc_key_decrypt(key, token + 3, strlen(token + 3), &call, out, sizeof out, NULL, &why));
  CHECK(key_opens(key, token + 3, SECRET));
  call.size = 23;
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_encrypt(key, TEXT(SECRET), &call, out, sizeof out, NULL, &why));
  call = call_with(0);
  call.associated_data = "x";
  call.associated_data_len = 1;
  CHECK_STATUS(KC_E_UNSUPPORTED, kc_key_encrypt(key, TEXT(SECRET), &call, out, sizeof out, NULL, &why));
  CHECK_STATUS(KC_E_UNSUPPORTED, kc_key_decrypt(key, token, strlen(token), &call, out, sizeof out, NULL, &why));
  kc_free(key);
}


/* The end of a key ------------------------------------------------------------------------------------------------ */

static void a_key_ends_with_its_store_and_is_still_freed_once(void) {
  kc_store *store = open_store(":memory:"), *other = open_store(":memory:");
  kc_key *keys[3], *bystander = user_key(other, "alice");
  char token[128], out[128];
  size_t len = UNTOUCHED;
  keys[0] = user_key(store, "alice");
  keys[1] = user_key(store, "alice");
  keys[2] = pool_key(store);
  key_encrypt(keys[0], SECRET, token, sizeof token);
  size_t count = kc_handle_count();
  CHECK_STATUS(KC_OK, kc_free(store));
  CHECK(kc_handle_count() == count - 1);

  fill(out, sizeof out);
  for (int i = 0; i < 3; i++) {
    CHECK_STATUS(KC_E_HANDLE, kc_key_encrypt(keys[i], TEXT(SECRET), NULL, out, sizeof out, &len, &why));
    CHECK_STATUS(KC_E_HANDLE, kc_key_decrypt(keys[i], token, strlen(token), NULL, out, sizeof out, &len, &why));
    CHECK_STATUS(KC_E_HANDLE, kc_key_export(keys[i], out, sizeof out, &len, &why));
    CHECK(says("store"));
    CHECK_STATUS(KC_OK, kc_free(keys[i]));
    CHECK_STATUS(KC_E_HANDLE, kc_free(keys[i]));
  }
  CHECK(len == UNTOUCHED && untouched(out, sizeof out));
  CHECK(kc_handle_count() == count - 4);
  key_encrypt(bystander, SECRET, token, sizeof token);
  kc_free(bystander);
  kc_free(other);
}

static void an_imported_key_belongs_to_no_store(void) {
  kc_store *store = open_store(":memory:");
  kc_key *key = imported(RAW);
  char token[128];
  kc_free(store);
  key_encrypt(key, SECRET, token, sizeof token);
  CHECK(key_opens(key, token, SECRET));
  kc_free(key);
}

static void a_freed_key_leaves_its_store_and_its_like_alone(void) {
  kc_store *store = open_store(":memory:");
  kc_key *one = user_key(store, "alice"), *two = user_key(store, "alice");
  char token[128];
  CHECK_STATUS(KC_OK, kc_free(one));
  key_encrypt(two, SECRET, token, sizeof token);
  CHECK(opens(store, "alice", token, SECRET));
  kc_free(two);
  kc_free(store);
}

int main(void) {
  RUN(a_users_key_opens_what_is_encrypted_for_the_user_and_the_other_way_round);
  RUN(each_user_has_one_key_of_their_own);
  RUN(a_new_user_gets_a_key_unless_only_existing_ones_are_asked_for);
  RUN(a_key_that_is_not_cached_would_block);
  RUN(what_a_user_key_is_asked_for_is_checked);

  RUN(the_pool_key_comes_from_the_first_master_key);
  RUN(the_pool_key_touches_no_file);
  RUN(a_pool_key_needs_a_store_and_a_place);

  RUN(an_imported_key_is_what_was_imported);
  RUN(an_exported_user_key_opens_the_users_tokens);
  RUN(a_key_has_32_bytes);
  RUN(an_export_takes_32_bytes_and_a_nul_where_there_is_room);

  RUN(a_key_takes_plaintexts_of_every_length);
  RUN(a_key_takes_no_more_than_64_mib);
  RUN(the_everyday_rules_hold_for_a_key_too);
  RUN(another_key_and_an_altered_token_do_not_open);
  RUN(a_kc_call_counts_for_a_key_too);

  RUN(a_key_ends_with_its_store_and_is_still_freed_once);
  RUN(an_imported_key_belongs_to_no_store);
  RUN(a_freed_key_leaves_its_store_and_its_like_alone);
  return check_report();
}
