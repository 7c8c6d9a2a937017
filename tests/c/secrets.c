/* A user's secret, to a token and back: kc_encrypt, kc_decrypt, their sizes, kc_is_encrypted, kc_hash. */

#include "check.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define SECRET "sk-alice-0123456789"
#define MOST ((size_t)64 << 20)
#define LONGEST_USER 4096

/* No key has been made: what a call must not do that failed before it came to the store. */
static int no_user_in(const char *file) {
  return sql_number(file, "SELECT count(*) FROM encryption_keys") == 0;
}

static void number(unsigned char *bytes, size_t len) {
  for (size_t i = 0; i < len; i++)
    bytes[i] = (unsigned char)(i * 7 + len);
}


/* There and back -------------------------------------------------------------------------------------------------- */

static void a_secret_comes_back_from_its_token(void) {
  kc_store *store = open_store(":memory:");
  char token[256], secret[256];
  size_t token_len = 0, secret_len = 0;
  CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), NULL, token, sizeof token, &token_len, &why));
  CHECK(token_len == strlen(token));
  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, token_len, NULL,
                                 secret, sizeof secret, &secret_len, &why));
  CHECK(secret_len == strlen(SECRET));
  CHECK(strcmp(secret, SECRET) == 0);
  kc_free(store);
}

static void text_may_end_at_its_nul(void) {
  kc_store *store = open_store(":memory:");
  char token[256], secret[256];
  CHECK_STATUS(KC_OK, kc_encrypt(store, "alice", KC_NUL_TERMINATED, TEXT(SECRET), NULL,
                                 token, sizeof token, NULL, &why));
  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, KC_NUL_TERMINATED, NULL,
                                 secret, sizeof secret, NULL, &why));
  CHECK(strcmp(secret, SECRET) == 0);
  kc_free(store);
}

static void a_token_is_url_safe_base64_behind_v2(void) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  kc_store *store = open_store(":memory:");
  char token[256];
  for (int i = 0; i < 100; i++) {
    encrypt(store, "alice", SECRET, token, sizeof token);
    CHECK(strncmp(token, "v2:", 3) == 0);
    size_t data = strspn(token + 3, alphabet), padding = strspn(token + 3 + data, "=");
    CHECK(3 + data + padding == strlen(token) && (data + padding) % 4 == 0 && padding <= 2);
  }
  kc_free(store);
}

static void the_same_secret_gives_another_token_each_time(void) {
  enum { COUNT = 200 };
  static char tokens[COUNT][64];
  kc_store *store = open_store(":memory:");
  for (int i = 0; i < COUNT; i++) {
    encrypt(store, "alice", "same", tokens[i], sizeof tokens[i]);
    /* The nonce, the first 12 bytes, is in the 16 characters behind the prefix. */
    for (int j = 0; j < i; j++)
      CHECK(memcmp(tokens[i] + 3, tokens[j] + 3, 16) != 0);
  }
  kc_free(store);
}

static void a_plaintext_is_bytes_and_none_of_them_is_special(void) {
  static const size_t lengths[] = { 227, 228, 229, 230, 1000, 4067, 4068, 4069, 4095, 4096, 4097, 4124, 65536 };
  static unsigned char plaintext[65536], found[65537];
  static char token[90000];
  kc_store *store = open_store(":memory:");
  for (size_t i = 0; i <= 200 + sizeof lengths / sizeof lengths[0]; i++) {
    size_t n = i <= 200 ? i : lengths[i - 201];
    size_t token_len = 0, len = UNTOUCHED;
    number(plaintext, n);
    CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("alice"), plaintext, n, NULL, token, sizeof token, &token_len, &why));
    CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, token_len, NULL, found, sizeof found, &len, &why));
    CHECK(len == n && memcmp(found, plaintext, n) == 0 && found[n] == '\0');
  }
  kc_free(store);
}

static void nuls_are_bytes_like_others(void) {
  kc_store *store = open_store(":memory:");
  char token[256], found[256];
  size_t token_len = 0, len = 0;
  CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("alice"), TEXT("\0a\0\0b\0"), NULL,
                                 token, sizeof token, &token_len, &why));
  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, token_len, NULL, found, sizeof found, &len, &why));
  CHECK(len == 6 && memcmp(found, "\0a\0\0b\0", 7) == 0);
  kc_free(store);
}

static void an_empty_secret_is_one(void) {
  kc_store *store = open_store(":memory:");
  char token[64], found[1];
  size_t token_len = 0, len = UNTOUCHED;

  CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("alice"), NULL, 0, NULL, token, sizeof token, &token_len, &why));
  CHECK(token_len == kc_encrypted_size(0) - 1);
  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, token_len, NULL, found, sizeof found, &len, &why));
  CHECK(len == 0 && found[0] == '\0');

  CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("alice"), TEXT(""), NULL, token, sizeof token, NULL, &why));
  len = UNTOUCHED;
  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, token_len, NULL, NULL, 0, &len, &why));
  CHECK(len == 0);
  kc_free(store);
}

static void a_plaintext_has_at_most_64_mib(void) {
  size_t n = check_slow() ? (size_t)1 << 20 : MOST;
  unsigned char *plaintext = (unsigned char *)calloc(MOST + 1, 1), *found = (unsigned char *)allocate(n);
  size_t capacity = kc_encrypted_size(n), token_len = 0, len = 0;
  char *token = (char *)allocate(capacity);
  kc_store *store = open_store(":memory:");

  if (check_slow())
    check_note("1 MiB stands for 64 MiB");
  number(plaintext, n);
  CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("alice"), plaintext, n, NULL, token, capacity, &token_len, &why));
  CHECK(token_len == capacity - 1 && token[token_len] == '\0');
  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, token_len, NULL, found, n, &len, &why));
  CHECK(len == n && memcmp(found, plaintext, n) == 0);

  token_len = UNTOUCHED;
  fill(token, capacity);
  CHECK_STATUS(KC_E_LIMIT, kc_encrypt(store, TEXT("alice"), plaintext, MOST + 1, NULL,
                                      token, capacity, &token_len, &why));
  CHECK(token_len == UNTOUCHED && untouched(token, capacity));
  kc_free(store);
  free(plaintext);
  free(found);
  free(token);
}

static void a_token_of_more_than_64_mib_is_over_the_limit(void) {
  size_t n = kc_encrypted_size(MOST) + 3, len = UNTOUCHED;
  char *token = (char *)allocate(n);
  kc_store *store = open_store(":memory:");
  memset(token, 'A', n);
  memcpy(token, "v2:", 3);
  CHECK_STATUS(KC_E_LIMIT, kc_decrypt(store, TEXT("alice"), token, n, NULL, NULL, 0, &len, &why));
  CHECK(len == UNTOUCHED);
  kc_free(store);
  free(token);
}


/* Sizes and outputs ----------------------------------------------------------------------------------------------- */

static void encrypted_size_is_exact(void) {
  for (size_t n = 0; n <= 1000; n++)
    CHECK(kc_encrypted_size(n) == 3 + (n + 28 + 2) / 3 * 4 + 1);
  CHECK(kc_encrypted_size(MOST) == 3 + (MOST + 28 + 2) / 3 * 4 + 1);
  CHECK(kc_encrypted_size(MOST + 1) == 0);
  CHECK(kc_encrypted_size(PTRDIFF_MAX) == 0);
  CHECK(kc_encrypted_size(SIZE_MAX) == 0);
}

static void decrypted_size_serves_with_a_nul_and_little_more(void) {
  for (size_t n = 0; n <= 1000; n++) {
    size_t canonical = kc_encrypted_size(n) - 1;
    size_t shortest = ((n + 28) * 4 + 2) / 3; /* without prefix and padding */
    CHECK(kc_decrypted_size(canonical) > n && kc_decrypted_size(canonical) <= n + 8);
    CHECK(kc_decrypted_size(shortest) > n);
  }
  CHECK(kc_decrypted_size(0) >= 1);
  CHECK(kc_decrypted_size(kc_encrypted_size(MOST) - 1) > MOST);
  CHECK(kc_decrypted_size(SIZE_MAX) > MOST);
}

static void a_token_takes_its_exact_capacity_and_no_less(void) {
  kc_store *store = open_store(":memory:");
  unsigned char plaintext[200];
  char token[400];
  number(plaintext, sizeof plaintext);
  for (size_t n = 0; n <= sizeof plaintext; n++) {
    size_t needed = kc_encrypted_size(n), len = UNTOUCHED;
    fill(token, sizeof token);
    CHECK_STATUS(KC_E_BUFFER, kc_encrypt(store, TEXT("alice"), plaintext, n, NULL, token, needed - 1, &len, &why));
    CHECK(len == needed && untouched(token, sizeof token));
    CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("alice"), plaintext, n, NULL, token, needed, &len, &why));
    CHECK(len == needed - 1 && strlen(token) == len && untouched(token + needed, sizeof token - needed));
  }
  kc_free(store);
}

static void a_plaintext_takes_its_exact_length_and_no_less(void) {
  kc_store *store = open_store(":memory:");
  unsigned char plaintext[200], found[256];
  char token[400];
  for (size_t n = 1; n <= sizeof plaintext; n++) {
    size_t token_len = 0, len = UNTOUCHED;
    number(plaintext, n);
    CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("alice"), plaintext, n, NULL, token, sizeof token, &token_len, &why));
    fill(found, sizeof found);
    CHECK_STATUS(KC_E_BUFFER, kc_decrypt(store, TEXT("alice"), token, token_len, NULL, found, n - 1, &len, &why));
    CHECK(len == n && untouched(found, sizeof found));
    CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, token_len, NULL, found, n, &len, &why));
    CHECK(len == n && memcmp(found, plaintext, n) == 0 && untouched(found + n, sizeof found - n));
    CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, token_len, NULL, found, n + 1, &len, &why));
    CHECK(len == n && memcmp(found, plaintext, n) == 0 && found[n] == '\0');
    CHECK(untouched(found + n + 1, sizeof found - n - 1));
  }
  kc_free(store);
}

static void no_buffer_asks_for_the_size(void) {
  kc_store *store = open_store(":memory:");
  char token[256];
  size_t len = UNTOUCHED;
  CHECK_STATUS(KC_E_BUFFER, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), NULL, NULL, 0, &len, &why));
  CHECK(len == kc_encrypted_size(strlen(SECRET)));
  encrypt(store, "alice", SECRET, token, sizeof token);
  CHECK_STATUS(KC_E_BUFFER, kc_decrypt(store, TEXT("alice"), token, strlen(token), NULL, NULL, 0, &len, &why));
  CHECK(len == strlen(SECRET));
  CHECK_STATUS(KC_E_BUFFER, kc_hash(TEXT(SECRET), NULL, 0, &len, &why));
  CHECK(len == KC_HASH_SIZE);
  kc_free(store);
}

static void a_length_output_may_be_null(void) {
  kc_store *store = open_store(":memory:");
  char token[256], secret[256], hex[KC_HASH_SIZE];
  CHECK_STATUS(KC_E_BUFFER, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), NULL, token, 1, NULL, &why));
  CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), NULL, token, sizeof token, NULL, &why));
  CHECK_STATUS(KC_E_BUFFER, kc_decrypt(store, TEXT("alice"), token, strlen(token), NULL, secret, 1, NULL, &why));
  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, strlen(token), NULL,
                                 secret, sizeof secret, NULL, &why));
  CHECK_STATUS(KC_E_BUFFER, kc_hash(TEXT(SECRET), hex, 1, NULL, &why));
  CHECK_STATUS(KC_OK, kc_hash(TEXT(SECRET), hex, sizeof hex, NULL, &why));
  kc_free(store);
}

static void outputs_errors_and_calls_need_no_alignment(void) {
  kc_store *store = open_store(":memory:");
  char token[256], secret[256], raw_len[sizeof(size_t) + 1], raw_call[sizeof(kc_call) + 1];
  char raw_error[sizeof(kc_error) + 1];
  size_t *len = (size_t *)(void *)(raw_len + 1);
  kc_call *call = (kc_call *)(void *)(raw_call + 1), plain = KC_CALL_INIT;
  kc_error *error = (kc_error *)(void *)(raw_error + 1);
  kc_error told;
  size_t found = 0;

  memcpy(raw_call + 1, &plain, sizeof plain);
  CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), call, token, sizeof token, len, error));
  memcpy(&found, raw_len + 1, sizeof found);
  CHECK(found == strlen(token));
  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, found, call, secret, sizeof secret, len, error));
  memcpy(&found, raw_len + 1, sizeof found);
  CHECK(found == strlen(SECRET));

  CHECK_STATUS(KC_E_BUFFER, kc_hash(TEXT(SECRET), NULL, 0, len, error));
  memcpy(&found, raw_len + 1, sizeof found);
  memcpy(&told, raw_error + 1, sizeof told);
  CHECK(found == KC_HASH_SIZE);
  CHECK(told.status == KC_E_BUFFER && told.reserved == 0 && told.message[0] != '\0');
  kc_free(store);
}

static void an_error_is_told_in_full_or_not_asked_for(void) {
  kc_store *store = open_store(":memory:");
  char token[256];
  fill(&why, sizeof why);
  CHECK(kc_encrypt(store, TEXT("alice"), TEXT(SECRET), NULL, token, sizeof token, NULL, &why) == KC_OK);
  CHECK(untouched(&why, sizeof why));
  CHECK(kc_encrypt(store, TEXT(""), TEXT(SECRET), NULL, token, sizeof token, NULL, &why) == KC_E_ARGUMENT);
  CHECK(why.status == KC_E_ARGUMENT && why.os_error == 0 && why.engine_error == 0 && why.reserved == 0);
  CHECK(says("user"));
  CHECK(kc_encrypt(store, TEXT(""), TEXT(SECRET), NULL, token, sizeof token, NULL, NULL) == KC_E_ARGUMENT);
  CHECK(kc_encrypt(store, TEXT("alice"), TEXT(SECRET), NULL, token, sizeof token, NULL, NULL) == KC_OK);
  kc_free(store);
}


/* Users ----------------------------------------------------------------------------------------------------------- */

static void a_user_has_1_to_4096_bytes(void) {
  kc_store *store = open_store("keys.db");
  char user[LONGEST_USER + 1], token[256];
  size_t len = UNTOUCHED;
  memset(user, 'u', sizeof user);
  fill(token, sizeof token);
  CHECK_STATUS(KC_E_LIMIT, kc_encrypt(store, user, LONGEST_USER + 1, TEXT(SECRET), NULL,
                                      token, sizeof token, &len, &why));
  CHECK_STATUS(KC_E_LIMIT, kc_decrypt(store, user, LONGEST_USER + 1, TEXT("v2:"), NULL,
                                      token, sizeof token, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT(""), TEXT(SECRET), NULL, token, sizeof token, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, NULL, 0, TEXT(SECRET), NULL, token, sizeof token, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, "", KC_NUL_TERMINATED, TEXT(SECRET), NULL,
                                         token, sizeof token, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, TEXT(""), TEXT("v2:"), NULL, token, sizeof token, &len, &why));
  CHECK(len == UNTOUCHED && untouched(token, sizeof token) && no_user_in("keys.db"));

  CHECK_STATUS(KC_OK, kc_encrypt(store, user, LONGEST_USER, TEXT(SECRET), NULL, token, sizeof token, &len, &why));
  CHECK_STATUS(KC_OK, kc_decrypt(store, user, LONGEST_USER, token, len, NULL, token + 128, 128, NULL, &why));
  CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("u"), TEXT(SECRET), NULL, token, sizeof token, NULL, &why));
  CHECK(sql_number("keys.db", "SELECT sum(length(user_id)) FROM encryption_keys") == LONGEST_USER + 1);
  kc_free(store);
}

static void a_user_is_utf8(void) {
  static const char *const broken[] = { "\xff", "a\x80", "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                        "al\xefice" };
  kc_store *store = open_store("keys.db");
  char token[256];
  for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++)
    CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, broken[i], KC_NUL_TERMINATED, TEXT(SECRET), NULL,
                                           token, sizeof token, NULL, &why));
  CHECK(no_user_in("keys.db"));
  encrypt(store, "\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87 \xf0\x9f\x94\x91", SECRET, token, sizeof token);
  CHECK(opens(store, "\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87 \xf0\x9f\x94\x91", token, SECRET));
  kc_free(store);
}

static void users_are_compared_byte_by_byte(void) {
  /* The last two are the two Unicode forms of one name. */
  static const char *const users[] = { "alice", "Alice", "alice ", " alice", "Zo\xc3\xab", "Zoe\xcc\x88" };
  enum { COUNT = sizeof users / sizeof users[0] };
  char tokens[COUNT][128], found[128];
  kc_store *store = open_store(":memory:");
  for (int i = 0; i < COUNT; i++)
    encrypt(store, users[i], SECRET, tokens[i], sizeof tokens[i]);
  for (int i = 0; i < COUNT; i++)
    for (int j = 0; j < COUNT; j++)
      CHECK_STATUS(i == j ? KC_OK : KC_E_AUTHENTICATION,
                   kc_decrypt(store, users[i], KC_NUL_TERMINATED, tokens[j], KC_NUL_TERMINATED, NULL,
                              found, sizeof found, NULL, &why));
  kc_free(store);
}

static void a_nul_in_a_user_is_part_of_the_name(void) {
  char token[256], found[256];
  for (int round = 0; round < 2; round++) { /* the second reads from the file what the first wrote */
    kc_store *store = open_store("keys.db");
    if (round == 0) {
      CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("al\0ice"), TEXT(SECRET), NULL, token, sizeof token, NULL, &why));
      CHECK_STATUS(KC_E_UNKNOWN_USER, kc_decrypt(store, TEXT("al"), token, strlen(token), NULL,
                                                 found, sizeof found, NULL, &why));
      CHECK_STATUS(KC_E_UNKNOWN_USER, kc_decrypt(store, TEXT("al\0ic"), token, strlen(token), NULL,
                                                 found, sizeof found, NULL, &why));
    }
    CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("al\0ice"), token, strlen(token), NULL,
                                   found, sizeof found, NULL, &why));
    CHECK(strcmp(found, SECRET) == 0);
    kc_free(store);
  }
}


/* What is refused ------------------------------------------------------------------------------------------------- */

static void text_needs_a_pointer_where_it_has_a_length(void) {
  kc_store *store = open_store("keys.db");
  char out[256];
  size_t len = UNTOUCHED;
  fill(out, sizeof out);
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, NULL, 5, TEXT(SECRET), NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, NULL, KC_NUL_TERMINATED, TEXT(SECRET), NULL,
                                         out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("alice"), NULL, 1, NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), NULL, NULL, 256, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, NULL, 5, TEXT("v2:"), NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, TEXT("alice"), NULL, 3, NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, TEXT("alice"), NULL, KC_NUL_TERMINATED, NULL,
                                         out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, TEXT("alice"), TEXT("v2:"), NULL, NULL, 256, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_hash(NULL, 1, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_hash(TEXT(SECRET), NULL, 65, &len, &why));
  CHECK(len == UNTOUCHED && untouched(out, sizeof out) && no_user_in("keys.db"));
  kc_free(store);
}

static void bytes_do_not_end_at_a_nul(void) {
  kc_store *store = open_store("keys.db");
  char out[256];
  size_t len = UNTOUCHED;
  fill(out, sizeof out);
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("alice"), SECRET, KC_NUL_TERMINATED, NULL,
                                         out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_hash(SECRET, KC_NUL_TERMINATED, out, sizeof out, &len, &why));
  CHECK(len == UNTOUCHED && untouched(out, sizeof out) && no_user_in("keys.db"));
  kc_free(store);
}

static void a_length_that_no_object_has_is_refused(void) {
  static const size_t lengths[] = { TOO_LONG, SIZE_MAX - 1 };
  kc_store *store = open_store("keys.db");
  char out[256];
  size_t len = UNTOUCHED;
  fill(out, sizeof out);
  for (int i = 0; i < 2; i++) {
    size_t n = lengths[i];
    CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, "alice", n, TEXT(SECRET), NULL, out, sizeof out, &len, &why));
    CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("alice"), SECRET, n, NULL, out, sizeof out, &len, &why));
    CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), NULL, out, n, &len, &why));
    CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, "alice", n, TEXT("v2:"), NULL, out, sizeof out, &len, &why));
    CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, TEXT("alice"), "v2:", n, NULL, out, sizeof out, &len, &why));
    CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, TEXT("alice"), TEXT("v2:"), NULL, out, n, &len, &why));
    CHECK_STATUS(KC_E_ARGUMENT, kc_hash(SECRET, n, out, sizeof out, &len, &why));
    CHECK_STATUS(KC_E_ARGUMENT, kc_hash(TEXT(SECRET), out, n, &len, &why));
  }
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), NULL, out, SIZE_MAX, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, TEXT("alice"), TEXT("v2:"), NULL, out, SIZE_MAX, &len, &why));
  CHECK(len == UNTOUCHED && untouched(out, sizeof out) && no_user_in("keys.db"));
  kc_free(store);
}

static void encrypting_over_an_input_is_refused(void) {
  kc_store *store = open_store("keys.db");
  unsigned char memory[600], before[600];
  char *text = (char *)memory;
  kc_call *call = (kc_call *)(void *)(memory + 300), plain = KC_CALL_INIT;
  size_t len = UNTOUCHED;
  number(memory, sizeof memory);
  memcpy(memory, "alice", 5);
  memcpy(memory + 300, &plain, sizeof plain);
  memcpy(before, memory, sizeof memory);

  /* In place; one byte at either end of the plaintext; over the user; over the call. */
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("bob"), text, 50, NULL, text, 256, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("bob"), text, 50, NULL, text + 49, 256, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("bob"), text + 255, 50, NULL, text, 256, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("bob"), text + 100, 1, NULL, text, 256, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, text, 5, TEXT(SECRET), NULL, text + 4, 256, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("bob"), TEXT(SECRET), call, text + 100, 256, &len, &why));
  /* The length output over the token, the plaintext, the user, the call. */
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("bob"), TEXT(SECRET), NULL, text, 256,
                                         (size_t *)(void *)(memory + 248), &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("bob"), text, 50, NULL, text + 300, 256,
                                         (size_t *)(void *)(memory + 48), &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, text, 5, TEXT(SECRET), NULL, text + 300, 256,
                                         (size_t *)(void *)memory, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(store, TEXT("bob"), TEXT(SECRET), call, text, 256,
                                         (size_t *)(void *)(memory + 320), &why));
  CHECK(len == UNTOUCHED && memcmp(memory, before, sizeof memory) == 0 && no_user_in("keys.db"));

  /* Side by side is no overlap. */
  CHECK_STATUS(KC_OK, kc_encrypt(store, text, 5, text + 261, 39, call, text + 5, 256, &len, &why));
  CHECK(len == kc_encrypted_size(39) - 1 && memcmp(memory, "alice", 5) == 0);
  kc_free(store);
}

static void decrypting_over_an_input_is_refused(void) {
  kc_store *store = open_store(":memory:");
  unsigned char memory[600], before[600];
  char *text = (char *)memory, *token = text + 8;
  kc_call *call = (kc_call *)(void *)(memory + 300), plain = KC_CALL_INIT;
  size_t len = UNTOUCHED, n;
  number(memory, sizeof memory);
  memcpy(memory, "alice", 5);
  memcpy(memory + 300, &plain, sizeof plain);
  encrypt(store, "alice", SECRET, token, 128);
  n = strlen(token);
  memcpy(before, memory, sizeof memory);

  CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, TEXT("alice"), token, n, NULL, token, n, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, TEXT("alice"), token, n, NULL, token + n - 1, 64, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, text, 5, token, n, NULL, text + 4, 1, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, TEXT("alice"), token, n, call, text + 323, 64, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, TEXT("alice"), token, n, NULL, text + 400, 64,
                                         (size_t *)(void *)(memory + 456), &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(store, TEXT("alice"), token, n, NULL, text + 400, 64,
                                         (size_t *)(void *)token, &why));
  CHECK(len == UNTOUCHED && memcmp(memory, before, sizeof memory) == 0);

  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, n, call, token + n, 64, &len, &why));
  CHECK(len == strlen(SECRET) && memcmp(token + n, SECRET, len) == 0);
  kc_free(store);
}

static void hashing_over_an_input_is_refused(void) {
  unsigned char memory[200], before[200];
  size_t len = UNTOUCHED;
  number(memory, sizeof memory);
  memcpy(before, memory, sizeof memory);
  CHECK_STATUS(KC_E_ARGUMENT, kc_hash(memory, 65, (char *)memory, 65, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_hash(memory, 65, (char *)memory + 64, 65, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_hash(memory, 65, (char *)memory + 65, 65, (size_t *)(void *)(memory + 56), &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_hash(memory, 65, (char *)memory + 65, 65, (size_t *)(void *)(memory + 128), &why));
  CHECK(len == UNTOUCHED && memcmp(memory, before, sizeof memory) == 0);
  CHECK_STATUS(KC_OK, kc_hash(memory, 65, (char *)memory + 65, 65, &len, &why));
}

static void arguments_are_checked_before_the_handle(void) {
  char user[LONGEST_USER + 1], out[256];
  kc_call unknown = call_with(16), data = KC_CALL_INIT, small = KC_CALL_INIT;
  size_t len = UNTOUCHED;
  memset(user, 'u', sizeof user);
  data.associated_data = "x";
  data.associated_data_len = 1;
  small.size = 8;
  fill(out, sizeof out);

  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(NULL, TEXT(""), TEXT(SECRET), NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(NULL, TEXT("\xff"), TEXT(SECRET), NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_LIMIT, kc_encrypt(NULL, user, sizeof user, TEXT(SECRET), NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_UNSUPPORTED, kc_encrypt(NULL, TEXT("alice"), TEXT(SECRET), &unknown,
                                            out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_UNSUPPORTED, kc_encrypt(NULL, TEXT("alice"), TEXT(SECRET), &data, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(NULL, TEXT("alice"), TEXT(SECRET), &small, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_encrypt(NULL, TEXT("alice"), out, 8, NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_decrypt(NULL, TEXT(""), TEXT("v2:"), NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_UNSUPPORTED, kc_decrypt(NULL, TEXT("alice"), TEXT("v2:"), &unknown,
                                            out, sizeof out, &len, &why));
  CHECK(len == UNTOUCHED && untouched(out, sizeof out));
}

static void the_handle_is_checked_before_token_and_capacity(void) {
  size_t len = UNTOUCHED;
  CHECK_STATUS(KC_E_HANDLE, kc_encrypt(NULL, TEXT("alice"), TEXT(SECRET), NULL, NULL, 0, &len, &why));
  CHECK_STATUS(KC_E_HANDLE, kc_decrypt(NULL, TEXT("alice"), TEXT("no token"), NULL, NULL, 0, &len, &why));
  CHECK(len == UNTOUCHED);
}

static void a_tokens_form_is_checked_before_the_capacity(void) {
  kc_store *store = open_store(":memory:");
  size_t len = UNTOUCHED;
  CHECK_STATUS(KC_E_FORMAT, kc_decrypt(store, TEXT("alice"), TEXT("no token"), NULL, NULL, 0, &len, &why));
  CHECK_STATUS(KC_E_UNSUPPORTED, kc_decrypt(store, TEXT("alice"), TEXT("v3:AAAA"), NULL, NULL, 0, &len, &why));
  CHECK(len == UNTOUCHED);
  kc_free(store);
}

static void the_capacity_is_checked_before_the_store(void) {
  kc_store *store = open_store("keys.db"), *other = open_store(":memory:");
  kc_call existing = call_with(KC_EXISTING), cached = call_with(KC_CACHED_ONLY);
  char token[256];
  encrypt(other, "alice", SECRET, token, sizeof token);
  CHECK_STATUS(KC_E_BUFFER, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), NULL, token, 10, NULL, &why));
  CHECK_STATUS(KC_E_BUFFER, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), &existing, token, 10, NULL, &why));
  CHECK_STATUS(KC_E_BUFFER, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), &cached, token, 10, NULL, &why));
  CHECK_STATUS(KC_E_BUFFER, kc_decrypt(store, TEXT("alice"), token, strlen(token), NULL, NULL, 0, NULL, &why));
  CHECK_STATUS(KC_E_BUFFER, kc_decrypt(store, TEXT("alice"), token, strlen(token), &cached, NULL, 0, NULL, &why));
  CHECK(no_user_in("keys.db"));
  kc_free(store);
  kc_free(other);
}

static void what_is_no_token_is_told_from_one_that_does_not_open(void) {
  static const char *const no_tokens[] = { "", "sk-legacy-0123456789", "v2:", "v2:AAAA", "V2:", " v2:AAAA", "v2:!" };
  kc_store *store = open_store(":memory:");
  char token[256], out[256];
  size_t len = UNTOUCHED;
  encrypt(store, "alice", SECRET, token, sizeof token);
  encrypt(store, "bob", SECRET, out, sizeof out);
  fill(out, sizeof out);
  for (size_t i = 0; i < sizeof no_tokens / sizeof no_tokens[0]; i++)
    CHECK_STATUS(KC_E_FORMAT, kc_decrypt(store, TEXT("alice"), no_tokens[i], KC_NUL_TERMINATED, NULL,
                                         out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_FORMAT, kc_decrypt(store, TEXT("alice"), NULL, 0, NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_UNSUPPORTED, kc_decrypt(store, TEXT("alice"), TEXT("v3:"), NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_AUTHENTICATION, kc_decrypt(store, TEXT("bob"), token, strlen(token), NULL,
                                               out, sizeof out, &len, &why));
  /* A changed bit anywhere; but the last character's spare bits carry nothing. */
  CHECK(token[strlen(token) - 1] == '=');
  for (size_t i = 3; i < strlen(token) - 2; i++) {
    char kept = token[i];
    token[i] = kept == 'A' ? 'B' : 'A';
    CHECK_STATUS(KC_E_AUTHENTICATION, kc_decrypt(store, TEXT("alice"), token, strlen(token), NULL,
                                                 out, sizeof out, &len, &why));
    token[i] = kept;
  }
  CHECK(len == UNTOUCHED && untouched(out, sizeof out));
  CHECK(opens(store, "alice", token, SECRET));
  kc_free(store);
}

static void a_token_of_another_store_does_not_open(void) {
  kc_store *one = open_store(":memory:"), *two = open_store(":memory:");
  char token[256], out[256];
  encrypt(one, "alice", SECRET, token, sizeof token);
  encrypt(two, "alice", SECRET, out, sizeof out);
  CHECK_STATUS(KC_E_AUTHENTICATION, kc_decrypt(two, TEXT("alice"), token, strlen(token), NULL,
                                               out, sizeof out, NULL, &why));
  kc_free(one);
  kc_free(two);
}

static void messages_hold_no_secret(void) {
  kc_store *store = open_store(":memory:");
  char token[256], out[64];
  encrypt(store, "alice", SECRET, token, sizeof token);
  CHECK_STATUS(KC_E_BUFFER, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), NULL, out, 8, NULL, &why));
  CHECK(!says(SECRET));
  CHECK_STATUS(KC_E_BUFFER, kc_decrypt(store, TEXT("alice"), token, strlen(token), NULL, out, 8, NULL, &why));
  CHECK(!says(SECRET) && !says(token + 3));
  CHECK_STATUS(KC_E_UNKNOWN_USER, kc_decrypt(store, TEXT("bob"), token, strlen(token), NULL,
                                             out, sizeof out, NULL, &why));
  CHECK(says("bob") && !says(token + 3));
  CHECK_STATUS(KC_E_FORMAT, kc_decrypt(store, TEXT("alice"), TEXT(SECRET), NULL, out, sizeof out, NULL, &why));
  CHECK(!says(SECRET));
  token[5] = token[5] == 'A' ? 'B' : 'A';
  CHECK_STATUS(KC_E_AUTHENTICATION, kc_decrypt(store, TEXT("alice"), token, strlen(token), NULL,
                                               out, sizeof out, NULL, &why));
  CHECK(!says(SECRET) && !says(token + 3));
  kc_free(store);
}


/* How a call behaves ---------------------------------------------------------------------------------------------- */

/* What kc_encrypt and kc_decrypt answer to a kc_call; they must agree. */
static kc_status answer_to(kc_store *store, const void *call) {
  char token[256], out[256];
  kc_status decrypting, encrypting;
  encrypt(store, "alice", SECRET, token, sizeof token);
  decrypting = kc_decrypt(store, TEXT("alice"), token, strlen(token), (const kc_call *)call,
                          out, sizeof out, NULL, &why);
  check_forget();
  encrypting = kc_encrypt(store, TEXT("alice"), TEXT(SECRET), (const kc_call *)call, token, sizeof token, NULL, &why);
  CHECK(encrypting == decrypting);
  return encrypting;
}

static void a_kc_call_grows_at_its_end_alone(void) {
  kc_store *store = open_store(":memory:");
  uint32_t words[1100] = { 0 }; /* a kc_call of a later release: its size, then what this one knows, then zeroes */
  for (words[0] = 0; words[0] < sizeof(kc_call); words[0]++)
    CHECK_STATUS(KC_E_ARGUMENT, answer_to(store, words));
  for (; words[0] <= 4096; words[0] += 8)
    CHECK_STATUS(KC_OK, answer_to(store, words));
  words[0] = 4097;
  CHECK_STATUS(KC_E_UNSUPPORTED, answer_to(store, words));
  words[0] = UINT32_MAX;
  CHECK_STATUS(KC_E_UNSUPPORTED, answer_to(store, words));

  ((unsigned char *)words)[sizeof(kc_call) + 10] = 1;
  words[0] = sizeof(kc_call) + 10;
  CHECK_STATUS(KC_OK, answer_to(store, words)); /* the byte lies behind it */
  words[0] = sizeof(kc_call) + 11;
  CHECK_STATUS(KC_E_UNSUPPORTED, answer_to(store, words));
  kc_free(store);
}

static void unknown_flags_are_refused_and_known_ones_accepted(void) {
  kc_store *store = open_store(":memory:");
  for (int bit = 0; bit < 32; bit++) {
    kc_call call = call_with((uint32_t)1 << bit);
    CHECK_STATUS(bit < 4 ? KC_OK : KC_E_UNSUPPORTED, answer_to(store, &call));
  }
  kc_call all = call_with(KC_EXISTING | KC_CACHED_ONLY | KC_STRICT | KC_TELL_STALE);
  CHECK_STATUS(KC_OK, answer_to(store, &all));
  kc_free(store);
}

static void v2_takes_no_associated_data(void) {
  kc_store *store = open_store(":memory:");
  kc_call call = KC_CALL_INIT;
  call.associated_data = "data";
  CHECK_STATUS(KC_OK, answer_to(store, &call));
  call.associated_data_len = 4;
  CHECK_STATUS(KC_E_UNSUPPORTED, answer_to(store, &call));
  call.associated_data_len = KC_NUL_TERMINATED;
  CHECK_STATUS(KC_E_ARGUMENT, answer_to(store, &call));
  call.associated_data_len = TOO_LONG;
  CHECK_STATUS(KC_E_ARGUMENT, answer_to(store, &call));
  call.associated_data = NULL;
  call.associated_data_len = 1;
  CHECK_STATUS(KC_E_ARGUMENT, answer_to(store, &call));
  kc_free(store);
}

static void existing_makes_no_key(void) {
  kc_store *store = open_store("keys.db"), *second;
  kc_call existing = call_with(KC_EXISTING);
  char token[256];
  size_t len = UNTOUCHED;
  fill(token, sizeof token);
  CHECK_STATUS(KC_E_UNKNOWN_USER, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), &existing,
                                             token, sizeof token, &len, &why));
  CHECK(len == UNTOUCHED && untouched(token, sizeof token) && no_user_in("keys.db"));
  encrypt(store, "alice", SECRET, token, sizeof token);
  second = open_store("keys.db");
  CHECK_STATUS(KC_OK, kc_encrypt(second, TEXT("alice"), TEXT(SECRET), &existing, token, sizeof token, &len, &why));
  CHECK(opens(store, "alice", token, SECRET));
  kc_free(store);
  kc_free(second);
}

static void decrypting_makes_no_key(void) {
  kc_store *store = open_store("keys.db"), *other = open_store(":memory:");
  char token[256], out[256];
  size_t len = UNTOUCHED;
  encrypt(other, "alice", SECRET, token, sizeof token);
  fill(out, sizeof out);
  CHECK_STATUS(KC_E_UNKNOWN_USER, kc_decrypt(store, TEXT("alice"), token, strlen(token), NULL,
                                             out, sizeof out, &len, &why));
  CHECK(len == UNTOUCHED && untouched(out, sizeof out) && no_user_in("keys.db"));
  kc_free(store);
  kc_free(other);
}

static void cached_only_never_touches_the_store(void) {
  kc_store *store = open_store("keys.db"), *second;
  kc_call cached = call_with(KC_CACHED_ONLY);
  char token[256], out[256];
  size_t len = UNTOUCHED;
  fill(token, sizeof token);
  CHECK_STATUS(KC_E_WOULD_BLOCK, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), &cached,
                                            token, sizeof token, &len, &why));
  CHECK(len == UNTOUCHED && untouched(token, sizeof token) && no_user_in("keys.db"));

  encrypt(store, "alice", SECRET, token, sizeof token);
  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, strlen(token), &cached, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), &cached, token, sizeof token, &len, &why));

  second = open_store("keys.db");
  fill(out, sizeof out);
  CHECK_STATUS(KC_E_WOULD_BLOCK, kc_decrypt(second, TEXT("alice"), token, strlen(token), &cached,
                                            out, sizeof out, &len, &why));
  CHECK(untouched(out, sizeof out));
  CHECK(opens(second, "alice", token, SECRET));
  CHECK_STATUS(KC_OK, kc_decrypt(second, TEXT("alice"), token, strlen(token), &cached,
                                 out, sizeof out, &len, &why));
  kc_free(store);
  kc_free(second);
}

static void strict_takes_the_canonical_form_alone(void) {
  kc_store *store = open_store(":memory:");
  kc_call strict = call_with(KC_STRICT);
  char token[128], varied[6][136], out[64];
  do /* until both alphabets can be told apart */
    encrypt(store, "alice", SECRET, token, sizeof token);
  while (strchr(token, '-') == NULL && strchr(token, '_') == NULL);
  size_t n = strlen(token);
  CHECK(token[n - 1] == '=');
  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, n, &strict, out, sizeof out, NULL, &why));

  snprintf(varied[0], sizeof varied[0], "%s", token + 3);                     /* no prefix */
  snprintf(varied[1], sizeof varied[1], "%.*s", (int)n - 1, token);           /* no padding */
  snprintf(varied[2], sizeof varied[2], "%s\n", token);                       /* white space behind it */
  snprintf(varied[3], sizeof varied[3], "v2: %s", token + 3);                 /* white space after the prefix */
  snprintf(varied[4], sizeof varied[4], "%.*s\r\n%s", 20, token, token + 20); /* a line break */
  snprintf(varied[5], sizeof varied[5], "%s", token);                         /* the standard alphabet */
  for (char *c = varied[5]; *c != '\0'; c++)
    *c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
  for (int i = 0; i < 6; i++) {
    CHECK(opens(store, "alice", varied[i], SECRET));
    CHECK_STATUS(KC_E_FORMAT, kc_decrypt(store, TEXT("alice"), varied[i], KC_NUL_TERMINATED, &strict,
                                         out, sizeof out, NULL, &why));
  }
  CHECK_STATUS(KC_E_UNSUPPORTED, kc_decrypt(store, TEXT("alice"), TEXT("v3:AAAA"), &strict,
                                            out, sizeof out, NULL, &why));
  kc_free(store);
}

static void a_current_key_is_not_stale(void) {
  kc_store *store = open_store(":memory:");
  kc_call tell = call_with(KC_TELL_STALE);
  char token[256], out[256];
  encrypt(store, "alice", SECRET, token, sizeof token);
  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), token, strlen(token), &tell, out, sizeof out, NULL, &why));
  kc_free(store);
}


/* What is a token, and the lookup hash ---------------------------------------------------------------------------- */

static void a_token_is_known_by_its_first_three_characters(void) {
  CHECK(kc_is_encrypted(TEXT("v2:")) == 1);
  CHECK(kc_is_encrypted(TEXT("v2:anything at all")) == 1);
  CHECK(kc_is_encrypted(TEXT("v3:")) == 1);
  CHECK(kc_is_encrypted("v2:abc", KC_NUL_TERMINATED) == 1);
  CHECK(kc_is_encrypted("v2:abc", 3) == 1);
  CHECK(kc_is_encrypted("v2:abc", 2) == 0);
  CHECK(kc_is_encrypted(TEXT("")) == 0);
  CHECK(kc_is_encrypted(TEXT("v2")) == 0);
  CHECK(kc_is_encrypted(TEXT("V2:abc")) == 0);
  CHECK(kc_is_encrypted(TEXT(" v2:abc")) == 0);
  CHECK(kc_is_encrypted(TEXT("v1:abc")) == 0);
  CHECK(kc_is_encrypted(TEXT("v4:abc")) == 0);
  CHECK(kc_is_encrypted(TEXT("v2;abc")) == 0);
  CHECK(kc_is_encrypted(TEXT("\0v2:")) == 0);
  CHECK(kc_is_encrypted(TEXT("sk-legacy")) == 0);
}

static void what_cannot_be_a_value_is_no_token(void) {
  CHECK(kc_is_encrypted(NULL, 0) == 0);
  CHECK(kc_is_encrypted(NULL, 3) == 0);
  CHECK(kc_is_encrypted(NULL, KC_NUL_TERMINATED) == 0);
  CHECK(kc_is_encrypted("v2:abc", TOO_LONG) == 0);
  CHECK(kc_is_encrypted("v2:abc", SIZE_MAX - 1) == 0);
}

static void the_lookup_hash_is_sha256_in_lower_case_hex(void) {
  char hex[KC_HASH_SIZE];
  size_t len = UNTOUCHED;
  CHECK_STATUS(KC_OK, kc_hash(TEXT("abc"), hex, sizeof hex, &len, &why));
  CHECK(len == 64 && strcmp(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad") == 0);
  CHECK_STATUS(KC_OK, kc_hash(NULL, 0, hex, sizeof hex, &len, &why));
  CHECK(strcmp(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855") == 0);
  CHECK_STATUS(KC_OK, kc_hash(TEXT("a\0b"), hex, sizeof hex, &len, &why));
  CHECK(strcmp(hex, "59b271ae1bbcb1d31d41929817f4b16fb439eb4f31520b5ad1d5ce98920a7138") == 0);
}

static void a_hash_takes_its_exact_capacity_and_no_less(void) {
  char hex[KC_HASH_SIZE + 16];
  size_t len = UNTOUCHED;
  fill(hex, sizeof hex);
  CHECK_STATUS(KC_E_BUFFER, kc_hash(TEXT(SECRET), hex, KC_HASH_SIZE - 1, &len, &why));
  CHECK(len == KC_HASH_SIZE && untouched(hex, sizeof hex));
  CHECK_STATUS(KC_OK, kc_hash(TEXT(SECRET), hex, KC_HASH_SIZE, &len, &why));
  CHECK(len == KC_HASH_SIZE - 1 && strlen(hex) == len && untouched(hex + KC_HASH_SIZE, 16));
}


/* When the system gives nothing ----------------------------------------------------------------------------------- */

static void forbid_getrandom(void) {
  struct sock_filter rules[] = {
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program;
  program.len = sizeof rules / sizeof rules[0];
  program.filter = rules;
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

static void work_without_random_bytes(void) {
  kc_store *store = open_store("keys.db");
  kc_key *key = NULL;
  char token[256], text[KC_MASTER_KEY_TEXT_SIZE];
  size_t len = UNTOUCHED;
  CHECK_STATUS(KC_OK, kc_key_import(MASTER_KEY, KC_KEY_SIZE, &key, &why));
  fill(token, sizeof token);
  fill(text, sizeof text);
  forbid_getrandom();
  CHECK_STATUS(KC_E_RANDOM, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), NULL, token, sizeof token, &len, &why));
  CHECK(why.os_error == EPERM);
  CHECK_STATUS(KC_E_RANDOM, kc_key_encrypt(key, TEXT(SECRET), NULL, token, sizeof token, &len, &why));
  CHECK_STATUS(KC_E_RANDOM, kc_master_key_generate(text, sizeof text, &len, &why));
  CHECK(len == UNTOUCHED && untouched(token, sizeof token) && untouched(text, sizeof text));
  kc_free(key);
  CHECK_STATUS(KC_E_RANDOM, kc_user_key(store, TEXT("alice"), NULL, &key, &why));
  CHECK(key == NULL);
  kc_free(store);
}

static void without_random_bytes_nothing_is_encrypted(void) {
  CHECK(check_in_child(work_without_random_bytes));
  CHECK(no_user_in("keys.db"));
}

static void work_without_memory(void) {
  kc_store *store = open_store(":memory:");
  size_t capacity = kc_encrypted_size(MOST), pages = 0, len = UNTOUCHED;
  void *plaintext = calloc(MOST, 1);
  char *token = (char *)allocate(capacity), *out = (char *)allocate(capacity);
  FILE *file = fopen("/proc/self/statm", "r");
  struct rlimit limit;
  CHECK_STATUS(KC_OK, kc_encrypt(store, TEXT("alice"), plaintext, MOST, NULL, token, capacity, NULL, &why));
  fill(out, capacity);

  CHECK(file != NULL && fscanf(file, "%zu", &pages) == 1);
  fclose(file);
  limit.rlim_cur = limit.rlim_max = (rlim_t)(pages * (size_t)sysconf(_SC_PAGESIZE) + ((size_t)8 << 20));
  CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  CHECK_STATUS(KC_E_MEMORY, kc_encrypt(store, TEXT("alice"), plaintext, MOST, NULL, out, capacity, &len, &why));
  CHECK_STATUS(KC_E_MEMORY, kc_decrypt(store, TEXT("alice"), token, capacity - 1, NULL, out, capacity, &len, &why));
  CHECK(len == UNTOUCHED && untouched(out, capacity));
  encrypt(store, "alice", SECRET, token, capacity);
  CHECK(opens(store, "alice", token, SECRET));
  kc_free(store);
}

static void without_memory_a_call_fails_and_the_process_goes_on(void) {
  if (CHECK_SANITIZED)
    check_skip("the sanitizers reserve more addresses than a limit would leave");
  else if (check_slow())
    check_skip("valgrind does not survive a limit on addresses");
  else
    CHECK(check_in_child(work_without_memory));
}

int main(void) {
  RUN(a_secret_comes_back_from_its_token);
  RUN(text_may_end_at_its_nul);
  RUN(a_token_is_url_safe_base64_behind_v2);
  RUN(the_same_secret_gives_another_token_each_time);
  RUN(a_plaintext_is_bytes_and_none_of_them_is_special);
  RUN(nuls_are_bytes_like_others);
  RUN(an_empty_secret_is_one);
  RUN(a_plaintext_has_at_most_64_mib);
  RUN(a_token_of_more_than_64_mib_is_over_the_limit);

  RUN(encrypted_size_is_exact);
  RUN(decrypted_size_serves_with_a_nul_and_little_more);
  RUN(a_token_takes_its_exact_capacity_and_no_less);
  RUN(a_plaintext_takes_its_exact_length_and_no_less);
  RUN(no_buffer_asks_for_the_size);
  RUN(a_length_output_may_be_null);
  RUN(outputs_errors_and_calls_need_no_alignment);
  RUN(an_error_is_told_in_full_or_not_asked_for);

  RUN(a_user_has_1_to_4096_bytes);
  RUN(a_user_is_utf8);
  RUN(users_are_compared_byte_by_byte);
  RUN(a_nul_in_a_user_is_part_of_the_name);

  RUN(text_needs_a_pointer_where_it_has_a_length);
  RUN(bytes_do_not_end_at_a_nul);
  RUN(a_length_that_no_object_has_is_refused);
  RUN(encrypting_over_an_input_is_refused);
  RUN(decrypting_over_an_input_is_refused);
  RUN(hashing_over_an_input_is_refused);
  RUN(arguments_are_checked_before_the_handle);
  RUN(the_handle_is_checked_before_token_and_capacity);
  RUN(a_tokens_form_is_checked_before_the_capacity);
  RUN(the_capacity_is_checked_before_the_store);
  RUN(what_is_no_token_is_told_from_one_that_does_not_open);
  RUN(a_token_of_another_store_does_not_open);
  RUN(messages_hold_no_secret);

  RUN(a_kc_call_grows_at_its_end_alone);
  RUN(unknown_flags_are_refused_and_known_ones_accepted);
  RUN(v2_takes_no_associated_data);
  RUN(existing_makes_no_key);
  RUN(decrypting_makes_no_key);
  RUN(cached_only_never_touches_the_store);
  RUN(strict_takes_the_canonical_form_alone);
  RUN(a_current_key_is_not_stale);

  RUN(a_token_is_known_by_its_first_three_characters);
  RUN(what_cannot_be_a_value_is_no_token);
  RUN(the_lookup_hash_is_sha256_in_lower_case_hex);
  RUN(a_hash_takes_its_exact_capacity_and_no_less);

  RUN(without_random_bytes_nothing_is_encrypted);
  RUN(without_memory_a_call_fails_and_the_process_goes_on);
  return check_report();
}
