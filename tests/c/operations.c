/*
 * Operations: rotation of the master key, erasure, users' own keys, checks, walks, backups.
 */

#include "check.h"

#include <pthread.h>
#include <sys/stat.h>

#define STRING(text) (text), KC_NUL_TERMINATED

static unsigned char both[2 * KC_KEY_SIZE]; /* The new master key in front. */

static void set_up_keys(void) {
  memcpy(both, OTHER_MASTER_KEY, KC_KEY_SIZE);
  memcpy(both + KC_KEY_SIZE, MASTER_KEY, KC_KEY_SIZE);
}

static void make_users(kc_store *store, int count) {
  char user[32], token[128];
  for (int i = 0; i < count; i++) {
    snprintf(user, sizeof user, "user %d", i);
    encrypt(store, user, user, token, sizeof token);
  }
}

/* Rotation -------------------------------------------------------------------------------------------------------- */

static void a_rotation_ends_and_then_the_old_master_key_opens_nothing(void) {
  uint64_t done = 0, remaining = 1, skipped = 1, moved = 0;
  char token[128];
  set_up_keys();
  kc_store *store = open_store("keys.db");
  encrypt(store, "alice", "sk-acme", token, sizeof token);
  make_users(store, 9);
  kc_free(store);
  store = open_store_with("keys.db", both, 2, 0);
  while (remaining > 0) {
    CHECK_STATUS(KC_OK, kc_rewrap(store, 4, &done, &remaining, &skipped, &why));
    CHECK(done <= 4 && skipped == 0);
    moved += done;
  }
  CHECK(moved == 10);
  CHECK(opens(store, "alice", token, "sk-acme"));
  CHECK_STATUS(KC_OK, kc_rewrap(store, 4, NULL, NULL, NULL, &why));
  kc_free(store);
  kc_store *old = NULL;
  CHECK_STATUS(KC_E_MASTER_KEY_WRONG, kc_open(TEXT("keys.db"), MASTER_KEY, KC_KEY_SIZE, NULL, &old, &why));
  store = open_store_with("keys.db", OTHER_MASTER_KEY, 1, 0);
  CHECK(opens(store, "alice", token, "sk-acme"));
  kc_free(store);
}

static void outputs_of_a_rotation_are_written_on_success_alone_and_must_not_overlap(void) {
  uint64_t numbers[3] = { UNTOUCHED, UNTOUCHED, UNTOUCHED };
  kc_store *store = open_store("keys.db");
  CHECK_STATUS(KC_E_ARGUMENT, kc_rewrap(store, 0, &numbers[0], &numbers[1], &numbers[2], &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_rewrap(store, 1, &numbers[0], &numbers[0], NULL, &why));
  CHECK_STATUS(KC_E_HANDLE, kc_rewrap(NULL, 1, &numbers[0], &numbers[1], &numbers[2], &why));
  CHECK(numbers[0] == UNTOUCHED && numbers[1] == UNTOUCHED && numbers[2] == UNTOUCHED);
  kc_free(store);
}

static void the_pools_values_are_told_stale_after_a_rotation_and_stay_readable(void) {
  uint64_t remaining = 1;
  char token[128], plaintext[128];
  kc_call tell = call_with(KC_TELL_STALE);
  kc_key *pool;
  set_up_keys();
  kc_store *store = open_store("keys.db");
  make_users(store, 2);
  CHECK_STATUS(KC_OK, kc_pool_key(store, &pool, &why));
  CHECK_STATUS(KC_OK, kc_key_encrypt(pool, TEXT("of the pool"), NULL, token, sizeof token, NULL, &why));
  CHECK_STATUS(KC_OK, kc_key_decrypt(pool, STRING(token), &tell, plaintext, sizeof plaintext, NULL, &why));
  kc_free(pool);
  kc_free(store);
  store = open_store_with("keys.db", both, 2, 0);
  while (remaining > 0)
    CHECK_STATUS(KC_OK, kc_rewrap(store, 100, NULL, &remaining, NULL, &why));
  kc_free(store);
  store = open_store_with("keys.db", OTHER_MASTER_KEY, 1, 0);
  CHECK_STATUS(KC_OK, kc_pool_key(store, &pool, &why));
  CHECK_STATUS(KC_STALE, kc_key_decrypt(pool, STRING(token), &tell, plaintext, sizeof plaintext, NULL, &why));
  CHECK(strcmp(plaintext, "of the pool") == 0);
  CHECK_STATUS(KC_OK, kc_key_decrypt(pool, STRING(token), NULL, plaintext, sizeof plaintext, NULL, &why));
  CHECK_STATUS(KC_OK, kc_key_encrypt(pool, TEXT("anew"), NULL, token, sizeof token, NULL, &why));
  CHECK_STATUS(KC_OK, kc_key_decrypt(pool, STRING(token), &tell, plaintext, sizeof plaintext, NULL, &why));
  kc_free(pool);
  kc_free(store);
}

/* Users ----------------------------------------------------------------------------------------------------------- */

static void an_erased_user_is_destroyed_until_restored(void) {
  char token[128], text[128];
  kc_key *key;
  kc_store *store = open_store("keys.db");
  encrypt(store, "alice", "sk-acme", token, sizeof token);
  CHECK_STATUS(KC_OK, kc_user_key(store, TEXT("alice"), NULL, &key, &why));
  CHECK_STATUS(KC_OK, kc_erase_user(store, TEXT("alice"), &why));
  CHECK_STATUS(KC_OK, kc_erase_user(store, TEXT("alice"), &why));
  CHECK_STATUS(KC_OK, kc_erase_user(store, TEXT("never seen"), &why));
  CHECK_STATUS(KC_E_USER_DESTROYED, kc_decrypt(store, TEXT("alice"), STRING(token), NULL, text, sizeof text, NULL, &why));
  CHECK_STATUS(KC_E_USER_DESTROYED, kc_encrypt(store, TEXT("alice"), TEXT("x"), NULL, text, sizeof text, NULL, &why));
  CHECK_STATUS(KC_E_USER_DESTROYED, kc_encrypt(store, TEXT("never seen"), TEXT("x"), NULL, text, sizeof text, NULL, &why));
  CHECK_STATUS(KC_E_USER_DESTROYED, kc_key_encrypt(key, TEXT("x"), NULL, text, sizeof text, NULL, &why));
  CHECK_STATUS(KC_E_USER_DESTROYED, kc_rotate_user(store, TEXT("alice"), &why));
  kc_free(key);
  CHECK_STATUS(KC_OK, kc_restore_user(store, TEXT("alice"), &why));
  CHECK_STATUS(KC_OK, kc_restore_user(store, TEXT("nobody"), &why));
  CHECK_STATUS(KC_E_UNKNOWN_USER, kc_decrypt(store, TEXT("alice"), STRING(token), NULL, text, sizeof text, NULL, &why));
  encrypt(store, "alice", "sk-new", text, sizeof text);
  CHECK(opens(store, "alice", text, "sk-new"));
  CHECK_STATUS(KC_E_AUTHENTICATION, kc_decrypt(store, TEXT("alice"), STRING(token), NULL, text, sizeof text, NULL, &why));
  kc_free(store);
}

static void a_rotated_users_tokens_are_told_stale_turned_into_new_ones_and_forgotten(void) {
  char token[128], anew[128], text[128];
  size_t len = UNTOUCHED;
  kc_call tell = call_with(KC_TELL_STALE);
  kc_store *store = open_store("keys.db");
  encrypt(store, "alice", "sk-acme", token, sizeof token);
  CHECK_STATUS(KC_E_UNKNOWN_USER, kc_rotate_user(store, TEXT("mallory"), &why));
  CHECK_STATUS(KC_OK, kc_rotate_user(store, TEXT("alice"), &why));
  CHECK_STATUS(KC_STALE, kc_decrypt(store, TEXT("alice"), STRING(token), &tell, text, sizeof text, &len, &why));
  CHECK(len == 7 && strcmp(text, "sk-acme") == 0);
  fill(anew, sizeof anew);
  CHECK_STATUS(KC_E_BUFFER, kc_reencrypt(store, TEXT("alice"), STRING(token), NULL, anew, strlen(token), &len, &why));
  CHECK(len == strlen(token) + 1 && untouched(anew, sizeof anew));
  CHECK_STATUS(KC_STALE, kc_reencrypt(store, TEXT("alice"), STRING(token), &tell, anew, sizeof anew, &len, &why));
  CHECK(len == strlen(anew) && strcmp(anew, token) != 0);
  CHECK_STATUS(KC_OK, kc_reencrypt(store, TEXT("alice"), STRING(anew), &tell, text, sizeof text, NULL, &why));
  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), STRING(anew), &tell, text, sizeof text, NULL, &why));
  CHECK_STATUS(KC_OK, kc_forget_versions(store, TEXT("alice"), &why));
  CHECK_STATUS(KC_E_AUTHENTICATION, kc_decrypt(store, TEXT("alice"), STRING(token), NULL, text, sizeof text, NULL, &why));
  CHECK(opens(store, "alice", anew, "sk-acme"));
  CHECK_STATUS(KC_OK, kc_forget_versions(store, TEXT("alice"), &why));
  kc_free(store);
}

static void tokens_of_many_versions_open_and_the_current_one_needs_no_look(void) {
  char first[128], last[128], user[] = "alice";
  int versions = check_slow() ? 20 : 300;
  kc_call cached = call_with(KC_CACHED_ONLY);
  kc_store *store = open_store(":memory:");
  encrypt(store, user, "sk-acme", first, sizeof first);
  for (int i = 0; i < versions; i++)
    CHECK_STATUS(KC_OK, kc_rotate_user(store, TEXT("alice"), &why));
  encrypt(store, user, "sk-acme", last, sizeof last);
  char text[64];
  CHECK_STATUS(KC_OK, kc_decrypt(store, TEXT("alice"), STRING(last), &cached, text, sizeof text, NULL, &why));
  CHECK_STATUS(KC_E_WOULD_BLOCK, kc_decrypt(store, TEXT("alice"), STRING(first), &cached, text, sizeof text, NULL, &why));
  CHECK(opens(store, user, first, "sk-acme"));
  kc_free(store);
}

/* Looking through ------------------------------------------------------------------------------------------------- */

static void a_check_and_a_walk_tell_the_damaged_from_the_good(void) {
  kc_check_report report = KC_CHECK_REPORT_INIT;
  kc_user_walk walk = KC_USER_WALK_INIT;
  char user[64];
  size_t len = UNTOUCHED;
  int users = 0, damaged = 0;
  kc_status status;
  kc_store *store = open_store("keys.db");
  make_users(store, 5);
  sql("keys.db", "UPDATE encryption_keys SET encrypted_key = zeroblob(60) WHERE user_id = 'user 3'");
  CHECK_STATUS(KC_OK, kc_check(store, &report, &why));
  CHECK(report.users == 5 && report.good == 4 && report.damaged == 1 && report.findings == 0);
  CHECK(report.keys[0] == 4 && report.states[0] == KC_MASTER_KEY_ACTIVE);
  CHECK(report.states[1] == KC_MASTER_KEY_UNREGISTERED && report.finding[0] == '\0');
  CHECK_STATUS(KC_E_BUFFER, kc_next_user(store, &walk, user, 3, &len, NULL, &why));
  CHECK(len == sizeof "user 0");
  for (;;) {
    kc_user_info info = KC_USER_INFO_INIT;
    status = kc_next_user(store, &walk, user, sizeof user, &len, &info, &why);
    if (status != KC_OK)
      break;
    CHECK(len == strlen(user));
    CHECK((info.key == KC_E_CORRUPT) == (strcmp(user, "user 3") == 0));
    CHECK(info.master_key == (info.key == KC_OK ? 1U : 0U) && info.versions == 0 && info.created_at[4] == '-');
    users++;
    damaged += info.key != KC_OK;
  }
  CHECK(status == KC_END && users == 5 && damaged == 1);
  kc_free(store);
}

static void structs_of_another_size_are_refused_or_taken_as_the_header_says(void) {
  struct { kc_store_stats known; uint64_t unknown; } longer;
  kc_check_report report = KC_CHECK_REPORT_INIT;
  kc_store *store = open_store(":memory:");
  memset(&longer, 0, sizeof longer);
  longer.known.size = sizeof longer;
  CHECK_STATUS(KC_OK, kc_stats(store, &longer.known, &why));
  CHECK(longer.known.size == sizeof longer && longer.unknown == 0 && longer.known.handles == 1);
  longer.unknown = 1;
  CHECK_STATUS(KC_E_UNSUPPORTED, kc_stats(store, &longer.known, &why));
  report.size = 8;
  CHECK_STATUS(KC_E_ARGUMENT, kc_check(store, &report, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_check(store, NULL, &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_stats(store, NULL, &why));
  kc_free(store);
}

static void statistics_count_hits_misses_and_what_the_store_was_asked(void) {
  kc_store_stats before = KC_STORE_STATS_INIT, after = KC_STORE_STATS_INIT;
  char token[128];
  kc_store *store = open_store("keys.db");
  CHECK_STATUS(KC_OK, kc_stats(store, &before, &why));
  encrypt(store, "alice", "sk-acme", token, sizeof token);
  for (int i = 0; i < 10; i++)
    CHECK(opens(store, "alice", token, "sk-acme"));
  CHECK_STATUS(KC_OK, kc_stats(store, &after, &why));
  CHECK(after.cached_users == 1 && after.hits == 10 && after.misses == 1 && after.commits == 1);
  CHECK(after.store_reads == before.store_reads + 1 && after.busy_waits == 0);
  kc_free(store);
}

/* Backups --------------------------------------------------------------------------------------------------------- */

static void a_backup_is_a_store_and_overwrites_nothing(void) {
  char token[128];
  struct stat file;
  kc_store *store = open_store("keys.db");
  encrypt(store, "alice", "sk-acme", token, sizeof token);
  CHECK_STATUS(KC_OK, kc_backup(store, TEXT("copy.db"), &why));
  CHECK(stat("copy.db", &file) == 0 && (file.st_mode & 0777) == 0600);
  CHECK_STATUS(KC_E_EXISTS, kc_backup(store, TEXT("copy.db"), &why));
  CHECK_STATUS(KC_E_EXISTS, kc_backup(store, TEXT("keys.db"), &why));
  CHECK_STATUS(KC_E_IO, kc_backup(store, TEXT("."), &why));
  CHECK_STATUS(KC_E_IO, kc_backup(store, TEXT("none/copy.db"), &why));
  CHECK(count_files(".") == 2);
  kc_free(store);
  store = open_store_with("copy.db", MASTER_KEY, 1, KC_OPEN_READ_ONLY);
  CHECK(opens(store, "alice", token, "sk-acme"));
  kc_free(store);
}

/* Handles --------------------------------------------------------------------------------------------------------- */

static kc_store *shared;

static void *operate(void *unused) {
  kc_error error;
  kc_store_stats stats = KC_STORE_STATS_INIT;
  (void)unused;
  while (kc_stats(shared, &stats, &error) == KC_OK) {
    kc_status status = kc_rewrap(shared, 1, NULL, NULL, NULL, &error);
    if (status == KC_OK)
      status = kc_erase_user(shared, TEXT("alice"), &error);
    if (status == KC_OK)
      status = kc_restore_user(shared, TEXT("alice"), &error);
    if (status != KC_OK && status != KC_E_HANDLE && status != KC_E_BUSY)
      return (void *)1;
  }
  return NULL;
}

static void a_store_may_be_freed_while_operations_are_under_way(void) {
  pthread_t threads[2];
  void *wrong;
  char token[128];
  shared = open_store("keys.db");
  for (int i = 0; i < 2; i++)
    CHECK(pthread_create(&threads[i], NULL, operate, NULL) == 0);
  for (int i = 0; i < 5; i++)
    encrypt(shared, "bob", "sk", token, sizeof token);
  CHECK_STATUS(KC_OK, kc_free(shared));
  for (int i = 0; i < 2; i++) {
    pthread_join(threads[i], &wrong);
    CHECK(wrong == NULL);
  }
}

int main(void) {
  RUN(a_rotation_ends_and_then_the_old_master_key_opens_nothing);
  RUN(outputs_of_a_rotation_are_written_on_success_alone_and_must_not_overlap);
  RUN(the_pools_values_are_told_stale_after_a_rotation_and_stay_readable);
  RUN(an_erased_user_is_destroyed_until_restored);
  RUN(a_rotated_users_tokens_are_told_stale_turned_into_new_ones_and_forgotten);
  RUN(tokens_of_many_versions_open_and_the_current_one_needs_no_look);
  RUN(a_check_and_a_walk_tell_the_damaged_from_the_good);
  RUN(structs_of_another_size_are_refused_or_taken_as_the_header_says);
  RUN(statistics_count_hits_misses_and_what_the_store_was_asked);
  RUN(a_backup_is_a_store_and_overwrites_nothing);
  RUN(a_store_may_be_freed_while_operations_are_under_way);
  return check_report();
}
