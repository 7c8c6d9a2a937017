/* About the library: versions, status texts, the handle count, kc_wipe, and the numbers that stay for ever. */

#include "check.h"

static const struct { kc_status status; int32_t number; } STATUSES[] = {
  { KC_OK, 0 },
  { KC_STALE, 1 },
  { KC_E_ARGUMENT, -1 },
  { KC_E_HANDLE, -2 },
  { KC_E_BUFFER, -3 },
  { KC_E_FORMAT, -4 },
  { KC_E_AUTHENTICATION, -5 },
  { KC_E_UNKNOWN_USER, -6 },
  { KC_E_USER_DESTROYED, -7 },
  { KC_E_MASTER_KEY_MISSING, -8 },
  { KC_E_MASTER_KEY_INVALID, -9 },
  { KC_E_MASTER_KEY_WRONG, -10 },
  { KC_E_CORRUPT, -11 },
  { KC_E_BUSY, -12 },
  { KC_E_IO, -13 },
  { KC_E_READ_ONLY, -14 },
  { KC_E_NOT_FOUND, -15 },
  { KC_E_EXISTS, -16 },
  { KC_E_LIMIT, -17 },
  { KC_E_RANDOM, -18 },
  { KC_E_MEMORY, -19 },
  { KC_E_WOULD_BLOCK, -20 },
  { KC_E_UNSUPPORTED, -21 },
  { KC_E_INTERNAL, -99 },
};

enum { STATUS_COUNT = sizeof STATUSES / sizeof STATUSES[0] };

static void the_version_is_semantic_and_belongs_to_abi_1(void) {
  int major = -1, minor = -1, patch = -1, end = 0;
  CHECK(sscanf(kc_version(), "%d.%d.%d%n", &major, &minor, &patch, &end) == 3);
  CHECK(major == 1 && minor >= 0 && patch >= 0);
  CHECK(kc_version()[end] == '\0' || kc_version()[end] == '-' || kc_version()[end] == '+');
  CHECK(kc_version() == kc_version());
  CHECK(kc_abi_version() == 1);
}

static void statuses_and_flags_keep_their_numbers(void) {
  for (int i = 0; i < STATUS_COUNT; i++)
    CHECK(STATUSES[i].status == STATUSES[i].number);
  CHECK(KC_OPEN_READ_ONLY == 1 && KC_OPEN_MUST_EXIST == 2 && KC_OPEN_SNAPSHOTS == 4);
  CHECK(KC_EXISTING == 1 && KC_CACHED_ONLY == 2 && KC_STRICT == 4 && KC_TELL_STALE == 8);
  CHECK(KC_NUL_TERMINATED == SIZE_MAX && KC_FROM_ENVIRONMENT == SIZE_MAX && KC_NONE == UINT32_MAX);
  CHECK(KC_KEY_SIZE == 32 && KC_HASH_SIZE == 65 && KC_MASTER_KEY_TEXT_SIZE == 45);
}

static void every_status_has_a_text_of_its_own(void) {
  for (int i = 0; i < STATUS_COUNT; i++) {
    const char *text = kc_status_text(STATUSES[i].status);
    CHECK(text != NULL && text[0] != '\0');
    CHECK(strcmp(text, kc_status_text(-50)) != 0);
    for (int j = 0; j < i; j++)
      CHECK(strcmp(text, kc_status_text(STATUSES[j].status)) != 0);
  }
}

static void a_number_that_is_no_status_has_a_text_too(void) {
  static const kc_status others[] = { 2, 3, 99, INT32_MAX, -22, -50, -98, -100, INT32_MIN };
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    CHECK(kc_status_text(others[i]) != NULL && kc_status_text(others[i])[0] != '\0');
    CHECK(strcmp(kc_status_text(others[i]), kc_status_text(-50)) == 0);
  }
}

static void structs_keep_their_layout(void) {
  CHECK(sizeof(kc_error) == 512 && sizeof(kc_status) == 4);
  CHECK(offsetof(kc_error, status) == 0 && offsetof(kc_error, os_error) == 4);
  CHECK(offsetof(kc_error, engine_error) == 8 && offsetof(kc_error, reserved) == 12);
  CHECK(offsetof(kc_error, message) == 16);
  CHECK(sizeof(kc_options) == 16);
  CHECK(offsetof(kc_options, size) == 0 && offsetof(kc_options, flags) == 4);
  CHECK(offsetof(kc_options, busy_timeout_ms) == 8 && offsetof(kc_options, cache_users) == 12);
  CHECK(sizeof(kc_call) == 24);
  CHECK(offsetof(kc_call, size) == 0 && offsetof(kc_call, flags) == 4);
  CHECK(offsetof(kc_call, associated_data) == 8 && offsetof(kc_call, associated_data_len) == 16);
}

static void the_init_macros_ask_for_nothing(void) {
  kc_options options = KC_OPTIONS_INIT;
  kc_call call = KC_CALL_INIT;
  CHECK(options.size == 16 && options.flags == 0 && options.busy_timeout_ms == 0 && options.cache_users == 0);
  CHECK(call.size == 24 && call.flags == 0 && call.associated_data == NULL && call.associated_data_len == 0);
}

static void handles_of_every_kind_are_counted(void) {
  size_t before = kc_handle_count();
  kc_key *user = NULL, *pool = NULL, *imported = NULL, *none = NULL;
  kc_store *store = open_store(":memory:");
  CHECK(kc_handle_count() == before + 1);
  CHECK_STATUS(KC_OK, kc_user_key(store, TEXT("alice"), NULL, &user, &why));
  CHECK_STATUS(KC_OK, kc_pool_key(store, &pool, &why));
  CHECK_STATUS(KC_OK, kc_key_import(MASTER_KEY, KC_KEY_SIZE, &imported, &why));
  CHECK(kc_handle_count() == before + 4);
  CHECK_STATUS(KC_E_ARGUMENT, kc_key_import(MASTER_KEY, 1, &none, &why));
  CHECK(kc_handle_count() == before + 4);
  kc_free(user);
  CHECK(kc_handle_count() == before + 3);
  kc_free(store);
  CHECK(kc_handle_count() == before + 2);
  kc_free(pool); /* it ended with its store, and was still to be freed */
  kc_free(NULL);
  CHECK(kc_handle_count() == before + 1);
  kc_free(imported);
}

static void wiping_zeroes_what_it_is_given_and_no_more(void) {
  unsigned char memory[100];
  for (size_t len = 0; len <= 80; len++) {
    fill(memory, sizeof memory);
    kc_wipe(memory + 5, len);
    CHECK(untouched(memory, 5) && untouched(memory + 5 + len, sizeof memory - 5 - len));
    for (size_t i = 0; i < len; i++)
      CHECK(memory[5 + i] == 0);
  }
}

static void wiping_leaves_alone_what_cannot_be(void) {
  unsigned char memory[16];
  fill(memory, sizeof memory);
  kc_wipe(NULL, 0);
  kc_wipe(NULL, 16);
  kc_wipe(memory, TOO_LONG);
  kc_wipe(memory, SIZE_MAX);
  CHECK(untouched(memory, sizeof memory));
}

int main(void) {
  RUN(the_version_is_semantic_and_belongs_to_abi_1);
  RUN(statuses_and_flags_keep_their_numbers);
  RUN(every_status_has_a_text_of_its_own);
  RUN(a_number_that_is_no_status_has_a_text_too);
  RUN(structs_keep_their_layout);
  RUN(the_init_macros_ask_for_nothing);
  RUN(handles_of_every_kind_are_counted);
  RUN(wiping_zeroes_what_it_is_given_and_no_more);
  RUN(wiping_leaves_alone_what_cannot_be);
  return check_report();
}
