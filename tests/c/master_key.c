/* The master key as text: kc_master_key_generate and kc_master_key_decode. */

#include "check.h"

/* MASTER_KEY in url-safe base64, and other 32 bytes in both alphabets. */
#define MASTER_KEY_TEXT "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dQA="
#define URL_SAFE "-__7__v_-__7__v_-__7__v_-__7__v_-__7__v_-_8="
#define STANDARD "+//7//v/+//7//v/+//7//v/+//7//v/+//7//v/+/8="

static int decodes(const char *text, const unsigned char *expected) {
  unsigned char raw[KC_KEY_SIZE] = { 0 };
  size_t len = 0;
  CHECK_STATUS(KC_OK, kc_master_key_decode(text, KC_NUL_TERMINATED, raw, sizeof raw, &len, &why));
  return len == KC_KEY_SIZE && memcmp(raw, expected, KC_KEY_SIZE) == 0;
}

static void a_new_master_key_is_44_characters_of_url_safe_base64(void) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  char text[KC_MASTER_KEY_TEXT_SIZE];
  for (int i = 0; i < 100; i++) {
    size_t len = 0;
    CHECK_STATUS(KC_OK, kc_master_key_generate(text, sizeof text, &len, &why));
    CHECK(len == 44 && strlen(text) == 44 && strspn(text, alphabet) == 43 && text[43] == '=');
  }
}

static void each_new_master_key_is_another(void) {
  enum { COUNT = 100 };
  static char texts[COUNT][KC_MASTER_KEY_TEXT_SIZE];
  for (int i = 0; i < COUNT; i++) {
    CHECK_STATUS(KC_OK, kc_master_key_generate(texts[i], sizeof texts[i], NULL, &why));
    for (int j = 0; j < i; j++)
      CHECK(strcmp(texts[i], texts[j]) != 0);
  }
}

static void a_new_master_key_opens_its_store_by_bytes_and_by_text(void) {
  char text[KC_MASTER_KEY_TEXT_SIZE], token[128];
  unsigned char raw[KC_KEY_SIZE];
  kc_store *store = NULL;
  CHECK_STATUS(KC_OK, kc_master_key_generate(text, sizeof text, NULL, &why));
  CHECK_STATUS(KC_OK, kc_master_key_decode(text, KC_NUL_TERMINATED, raw, sizeof raw, NULL, &why));
  store = open_store_with("keys.db", raw, 1, 0);
  encrypt(store, "alice", "secret", token, sizeof token);
  kc_free(store);
  setenv("API_KEY_MASTER_KEY", text, 1);
  CHECK_STATUS(KC_OK, kc_open(TEXT("keys.db"), NULL, KC_FROM_ENVIRONMENT, NULL, &store, &why));
  CHECK(opens(store, "alice", token, "secret"));
  kc_free(store);
}

static void a_new_text_takes_45_bytes_and_no_less(void) {
  char text[64];
  size_t len = UNTOUCHED;
  fill(text, sizeof text);
  CHECK_STATUS(KC_E_BUFFER, kc_master_key_generate(text, KC_MASTER_KEY_TEXT_SIZE - 1, &len, &why));
  CHECK(len == KC_MASTER_KEY_TEXT_SIZE && untouched(text, sizeof text));
  len = UNTOUCHED;
  CHECK_STATUS(KC_E_BUFFER, kc_master_key_generate(NULL, 0, &len, &why));
  CHECK(len == KC_MASTER_KEY_TEXT_SIZE);
  CHECK_STATUS(KC_E_BUFFER, kc_master_key_generate(NULL, 0, NULL, &why));
  CHECK_STATUS(KC_OK, kc_master_key_generate(text, KC_MASTER_KEY_TEXT_SIZE, &len, &why));
  CHECK(len == 44 && strlen(text) == 44);
  CHECK(untouched(text + KC_MASTER_KEY_TEXT_SIZE, sizeof text - KC_MASTER_KEY_TEXT_SIZE));

  fill(text, sizeof text);
  len = UNTOUCHED;
  CHECK_STATUS(KC_E_ARGUMENT, kc_master_key_generate(NULL, 45, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_master_key_generate(text, TOO_LONG, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_master_key_generate(text, SIZE_MAX, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_master_key_generate(text, 45, (size_t *)(void *)(text + 44), &why));
  CHECK(len == UNTOUCHED && untouched(text, sizeof text));
}

static void a_text_is_read_leniently(void) {
  unsigned char other[KC_KEY_SIZE];
  CHECK(decodes(MASTER_KEY_TEXT, MASTER_KEY));
  CHECK(decodes(" \t" MASTER_KEY_TEXT "\r\n", MASTER_KEY));
  CHECK(decodes("\"" MASTER_KEY_TEXT "\"", MASTER_KEY));
  CHECK(decodes("MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dQA", MASTER_KEY));
  CHECK(decodes(MASTER_KEY_TEXT " # made in 2026", MASTER_KEY));
  for (int i = 0; i < KC_KEY_SIZE; i++)
    other[i] = i % 2 == 0 ? 0xfb : 0xff;
  CHECK(decodes(URL_SAFE, other));
  CHECK(decodes(STANDARD, other));
}

static void a_text_may_end_at_its_length_or_its_nul(void) {
  unsigned char raw[KC_KEY_SIZE];
  CHECK_STATUS(KC_OK, kc_master_key_decode(MASTER_KEY_TEXT "AAAA", 44, raw, sizeof raw, NULL, &why));
  CHECK_STATUS(KC_OK, kc_master_key_decode(MASTER_KEY_TEXT, KC_NUL_TERMINATED, raw, sizeof raw, NULL, &why));
  CHECK_STATUS(KC_E_MASTER_KEY_INVALID, kc_master_key_decode(MASTER_KEY_TEXT, 42, raw, sizeof raw, NULL, &why));
}

static void a_raw_key_takes_32_bytes_and_a_nul_where_there_is_room(void) {
  unsigned char raw[40];
  size_t len = UNTOUCHED;
  fill(raw, sizeof raw);
  CHECK_STATUS(KC_E_BUFFER, kc_master_key_decode(TEXT(MASTER_KEY_TEXT), raw, KC_KEY_SIZE - 1, &len, &why));
  CHECK(len == KC_KEY_SIZE && untouched(raw, sizeof raw));
  len = UNTOUCHED;
  CHECK_STATUS(KC_E_BUFFER, kc_master_key_decode(TEXT(MASTER_KEY_TEXT), NULL, 0, &len, &why));
  CHECK(len == KC_KEY_SIZE);
  CHECK_STATUS(KC_OK, kc_master_key_decode(TEXT(MASTER_KEY_TEXT), raw, KC_KEY_SIZE, &len, &why));
  CHECK(memcmp(raw, MASTER_KEY, KC_KEY_SIZE) == 0 && untouched(raw + KC_KEY_SIZE, sizeof raw - KC_KEY_SIZE));
  CHECK_STATUS(KC_OK, kc_master_key_decode(TEXT(MASTER_KEY_TEXT), raw, KC_KEY_SIZE + 1, NULL, &why));
  CHECK(raw[KC_KEY_SIZE] == 0 && untouched(raw + KC_KEY_SIZE + 1, sizeof raw - KC_KEY_SIZE - 1));
}

static void what_is_not_32_bytes_of_base64_is_invalid(void) {
  static const char *const texts[] = {
    "", " \t\r\n", "hunter2", "\xff\xfe", "MDEyMzQ1Njc4OWFiY2RlZg==", "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1u",
    "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dQ==", "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dQAA",
    "303132333435363738396162636465666768696a6b6c6d6e6f70717273747500",
  };
  unsigned char raw[40];
  size_t len = UNTOUCHED;
  fill(raw, sizeof raw);
  for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
    CHECK_STATUS(KC_E_MASTER_KEY_INVALID, kc_master_key_decode(texts[i], KC_NUL_TERMINATED,
                                                               raw, sizeof raw, &len, &why));
    CHECK(strlen(texts[i]) < 5 || !says(texts[i]));
  }
  CHECK_STATUS(KC_E_MASTER_KEY_INVALID, kc_master_key_decode(NULL, 0, raw, sizeof raw, &len, &why));
  CHECK(len == UNTOUCHED && untouched(raw, sizeof raw));
}

static void bad_arguments_are_refused(void) {
  char memory[96], before[96];
  size_t len = UNTOUCHED;
  memset(memory, '.', sizeof memory);
  memcpy(memory, TEXT(MASTER_KEY_TEXT));
  memcpy(before, memory, sizeof memory);
  CHECK_STATUS(KC_E_ARGUMENT, kc_master_key_decode(NULL, 44, memory, 32, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_master_key_decode(NULL, KC_NUL_TERMINATED, memory, 32, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_master_key_decode(memory, TOO_LONG, memory + 50, 32, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_master_key_decode(memory, 44, NULL, 32, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_master_key_decode(memory, 44, memory + 50, TOO_LONG, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_master_key_decode(memory, 44, memory, 44, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_master_key_decode(memory, 44, memory + 43, 32, &len, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_master_key_decode(memory, 44, memory + 50, 32,
                                                   (size_t *)(void *)(memory + 40), &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_master_key_decode(memory, 44, memory + 50, 32,
                                                   (size_t *)(void *)(memory + 78), &why));
  CHECK(len == UNTOUCHED && memcmp(memory, before, sizeof memory) == 0);
  CHECK_STATUS(KC_OK, kc_master_key_decode(memory, 44, memory + 44, 32, &len, &why));
}

int main(void) {
  RUN(a_new_master_key_is_44_characters_of_url_safe_base64);
  RUN(each_new_master_key_is_another);
  RUN(a_new_master_key_opens_its_store_by_bytes_and_by_text);
  RUN(a_new_text_takes_45_bytes_and_no_less);
  RUN(a_text_is_read_leniently);
  RUN(a_text_may_end_at_its_length_or_its_nul);
  RUN(a_raw_key_takes_32_bytes_and_a_nul_where_there_is_room);
  RUN(what_is_not_32_bytes_of_base64_is_invalid);
  RUN(bad_arguments_are_refused);
  return check_report();
}
