/* Keys in locked memory: how much, what happens where little may be locked, in children, and when it is switched off. */

#include "check.h"

#include <grp.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { USERS = 500, NOBODY = 65534 };

/* What the kernel counts as locked in this process, in bytes. */
static unsigned long locked_memory(void) {
  char line[256];
  unsigned long kib = 0;
  FILE *status = fopen("/proc/self/status", "r");
  CHECK(status != NULL);
  while (status != NULL && fgets(line, sizeof line, status) != NULL)
    if (sscanf(line, "VmLck: %lu kB", &kib) == 1)
      break;
  if (status != NULL)
    fclose(status);
  return kib * 1024;
}

static kc_store_stats stats_of(kc_store *store) {
  kc_store_stats stats = KC_STORE_STATS_INIT;
  CHECK_STATUS(KC_OK, kc_stats(store, &stats, &why));
  return stats;
}

static void use(kc_store *store) {
  char user[32], token[128], plaintext[64];
  size_t len;
  for (int at = 0; at < USERS; at++) {
    snprintf(user, sizeof user, "user %d", at);
    encrypt(store, user, "sk-acme", token, sizeof token);
    CHECK_STATUS(KC_OK, kc_decrypt(store, user, KC_NUL_TERMINATED, token, KC_NUL_TERMINATED, NULL, plaintext,
                                   sizeof plaintext, &len, &why));
    CHECK(len == 7 && memcmp(plaintext, "sk-acme", 7) == 0);
  }
}

/* What this process may lock. */
static rlim_t limit;

/* From now on as an ordinary user, who is held to the limit. */
static void become_ordinary(void) {
  const struct rlimit both = { limit, limit };
  if (setrlimit(RLIMIT_MEMLOCK, &both) != 0 || (geteuid() == 0 && (setgroups(0, NULL) != 0 || setuid(NOBODY) != 0)))
    abort();
}

static void at_limit(void) {
  kc_store *store;
  kc_store_stats opened, used;
  become_ordinary();
  store = open_store(":memory:");
  opened = stats_of(store);
  use(store);
  used = stats_of(store);
  CHECK(locked_memory() <= limit / 2);
  CHECK(used.locked_bytes <= locked_memory());
  /* The master key comes first; users' keys are locked where there is room. */
  CHECK((opened.locked_bytes > 0) == (limit > 0));
  CHECK((opened.unlocked_bytes > 0) == (limit == 0));
  CHECK((used.unlocked_bytes > opened.unlocked_bytes) == (limit < 1 << 20));
  CHECK((used.locked_bytes > opened.locked_bytes) == (limit > 0));
  CHECK(used.locked_bytes + used.unlocked_bytes - opened.locked_bytes - opened.unlocked_bytes >= USERS * (KC_KEY_SIZE + 240));
  kc_free(store);
  store = open_store(":memory:");
  CHECK(stats_of(store).locked_bytes == opened.locked_bytes);
  CHECK(stats_of(store).unlocked_bytes == opened.unlocked_bytes);
  kc_free(store);
}

static void keys_are_locked_within_half_of_the_limit(void) {
  static const rlim_t LIMITS[] = { 0, 64 << 10, 8 << 20 };
  for (size_t at = 0; at < sizeof LIMITS / sizeof *LIMITS; at++) {
    struct rlimit now;
    CHECK(getrlimit(RLIMIT_MEMLOCK, &now) == 0);
    if (now.rlim_max < LIMITS[at]) {
      check_skip("this process may not lock 8 MiB");
      return;
    }
    limit = LIMITS[at];
    CHECK(check_in_child(at_limit));
  }
}

static void at_a_fork(void) {
  kc_store *store;
  unsigned long before;
  int status = 0;
  pid_t child;
  become_ordinary();
  store = open_store(":memory:");
  use(store);
  before = locked_memory();
  CHECK(before > 0);
  child = fork();
  if (child == 0) {
    const int missing = locked_memory() != before || stats_of(store).locked_bytes == 0;
    kc_free(store);
    _exit(missing);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  kc_free(store);
}

static void a_child_locks_its_keys_anew(void) {
  limit = 1 << 20;
  CHECK(check_in_child(at_a_fork));
}

static void switched_off(void) {
  kc_store *locked, *store;
  become_ordinary();
  locked = open_store(":memory:");
  use(locked);
  CHECK(locked_memory() > 0);
  store = open_store_with(":memory:", MASTER_KEY, 1, KC_OPEN_UNLOCKED);
  use(store);
  /* AddressSanitizer takes munlock away. */
  CHECK(locked_memory() == 0 || CHECK_SANITIZED);
  CHECK(stats_of(store).locked_bytes == 0 && stats_of(store).unlocked_bytes > 0);
  kc_free(store);
  use(locked);
  kc_free(locked);
}

static void locking_can_be_switched_off(void) {
  limit = 1 << 20;
  CHECK(check_in_child(switched_off));
}

int main(void) {
  RUN(keys_are_locked_within_half_of_the_limit);
  RUN(a_child_locks_its_keys_anew);
  RUN(locking_can_be_switched_off);
  return check_report();
}
