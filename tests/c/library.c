/* About the library: versions, status texts, the handle count, kc_wipe.

   library VECTORS: the folder tests/vectors, from which abi/ is found */

#include "check.h"

static char *vectors;

static void the_version_is_semantic_and_belongs_to_abi_1(void) {
  int major = -1, minor = -1, patch = -1, end = 0;
  CHECK(sscanf(kc_version(), "%d.%d.%d%n", &major, &minor, &patch, &end) == 3);
  CHECK(major == 1 && minor >= 0 && patch >= 0);
  CHECK(kc_version()[end] == '\0' || kc_version()[end] == '-' || kc_version()[end] == '+');
  CHECK(kc_version() == kc_version());
  CHECK(kc_abi_version() == 1);
}

static void every_status_has_a_text_of_its_own(void) {
  char path[4096], name[64];
  const char *texts[64];
  int number, count = 0;
  snprintf(path, sizeof path, "%s/../../abi/status.txt", vectors);
  FILE *list = fopen(path, "r");
  CHECK(list != NULL);
  while (list != NULL && count < 64 && fscanf(list, "%63s %d", name, &number) == 2) {
    texts[count] = kc_status_text(number);
    CHECK(texts[count] != NULL && texts[count][0] != '\0');
    CHECK(strcmp(texts[count], kc_status_text(-50)) != 0);
    for (int i = 0; i < count; i++)
      CHECK(strcmp(texts[count], texts[i]) != 0);
    count++;
  }
  CHECK(count >= 25);
  if (list != NULL)
    fclose(list);
}

static void a_number_that_is_no_status_has_a_text_too(void) {
  static const kc_status others[] = { 3, 99, INT32_MAX, -22, -50, -98, -100, INT32_MIN };
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    CHECK(kc_status_text(others[i]) != NULL && kc_status_text(others[i])[0] != '\0');
    CHECK(strcmp(kc_status_text(others[i]), kc_status_text(-50)) == 0);
  }
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

int main(int count, char **arguments) {
  vectors = realpath(count > 1 ? arguments[1] : "tests/vectors", NULL);
  RUN(the_version_is_semantic_and_belongs_to_abi_1);
  RUN(every_status_has_a_text_of_its_own);
  RUN(a_number_that_is_no_status_has_a_text_too);
  RUN(the_init_macros_ask_for_nothing);
  RUN(handles_of_every_kind_are_counted);
  RUN(wiping_zeroes_what_it_is_given_and_no_more);
  RUN(wiping_leaves_alone_what_cannot_be);
  free(vectors);
  return check_report();
}
