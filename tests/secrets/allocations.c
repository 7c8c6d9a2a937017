/*
 * What happens when memory runs out: each allocation that grows with the caller's input or with the store fails once, in every
 * function that makes one. Either the call does without, or it is KC_E_MEMORY; and the store is usable after it.
 *
 * malloc and its like are this program's own. They refuse one allocation of LARGE bytes or more; names, plaintexts and rows are
 * longer.
 */

#include "check.h"

#include <errno.h>
#include <sys/wait.h>

enum { LARGE = 1024, USER = 4000, PLAINTEXT = 40000, MASTER_KEYS = 16 };

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

/* Large allocations so far, and the one that is refused: 0 for none. */
static unsigned long seen, refused;

static int refuse(size_t size) {
  if (size < LARGE || ++seen != refused)
    return 0;
  errno = ENOMEM;
  return 1;
}

void *malloc(size_t size) { return refuse(size) ? NULL : __libc_malloc(size); }
void *calloc(size_t n, size_t size) { return refuse(n * size) ? NULL : __libc_calloc(n, size); }
void *realloc(void *memory, size_t size) { return refuse(size) ? NULL : __libc_realloc(memory, size); }
void *aligned_alloc(size_t alignment, size_t size) { return refuse(size) ? NULL : __libc_memalign(alignment, size); }
int posix_memalign(void **memory, size_t alignment, size_t size) {
  if (refuse(size))
    return ENOMEM;
  *memory = __libc_memalign(alignment, size);
  return *memory == NULL ? ENOMEM : 0;
}

static kc_store *store;
static char user[USER + 1], plaintext[PLAINTEXT], opened[PLAINTEXT + 1];
static char token[2 * PLAINTEXT], again[2 * PLAINTEXT];
static size_t token_len;

/* A user that the store has not met. */
static void next_user(void) {
  static unsigned long number;
  memset(user, 'u', USER);
  snprintf(user, sizeof user, "%020lu", ++number);
  user[20] = 'u';
}

static kc_status encrypt_now(void) {
  return kc_encrypt(store, user, USER, plaintext, PLAINTEXT, NULL, token, sizeof token, &token_len, &why);
}
static kc_status decrypt_now(void) {
  return kc_decrypt(store, user, USER, token, token_len, NULL, opened, sizeof opened, NULL, &why);
}

/* What is to be starved: prepared without, then called with an allocation that fails. */
typedef struct {
  const char *name;
  void (*prepare)(void);
  kc_status (*call)(void);
} starved;

static void nothing(void) {}
static void user_made(void) {
  next_user();
  CHECK_STATUS(KC_OK, encrypt_now());
}
/* The user is in the table, and not in the cache. */
static void user_uncached(void) {
  user_made();
  kc_free(store);
  store = open_store("keys.db");
}
static void user_erased(void) {
  user_made();
  CHECK_STATUS(KC_OK, kc_erase_user(store, user, USER, &why));
}
static void user_rotated(void) {
  user_made();
  CHECK_STATUS(KC_OK, kc_rotate_user(store, user, USER, &why));
}
/* What another program may have written: a row that is long in every column. */
static void huge_row(void) {
  sql("keys.db", "INSERT OR IGNORE INTO encryption_keys VALUES (hex(zeroblob(50000)), zeroblob(100000), hex(zeroblob(50000)))");
}
static void backup_removed(void) {
  huge_row();
  remove("backup.db");
}
static void closed(void) {
  kc_free(store);
  store = NULL;
}

static kc_status open_now(void) {
  static unsigned char keys[MASTER_KEYS][KC_KEY_SIZE];
  kc_status status;
  for (size_t at = 0; at < MASTER_KEYS; at++)
    memset(keys[at], (int)at + 1, KC_KEY_SIZE);
  memcpy(keys[0], MASTER_KEY, KC_KEY_SIZE);
  status = kc_open("keys.db", KC_NUL_TERMINATED, keys, sizeof keys, NULL, &store, &why);
  if (status == KC_OK)
    status = decrypt_now();
  return status;
}
static kc_status user_key(void) {
  kc_key *key;
  const kc_status status = kc_user_key(store, user, USER, NULL, &key, &why);
  if (status != KC_OK)
    return status;
  const kc_status used = kc_key_encrypt(key, plaintext, PLAINTEXT, NULL, again, sizeof again, NULL, &why);
  kc_free(key);
  return used;
}
static kc_status pool_key(void) {
  kc_key *key;
  const kc_status status = kc_pool_key(store, &key, &why);
  if (status == KC_OK)
    kc_free(key);
  return status;
}
static kc_status master_key_text(void) {
  unsigned char raw[KC_KEY_SIZE];
  char text[2000];
  memset(text, ' ', sizeof text);
  memset(text + 900, 'A', 43);
  return kc_master_key_decode(text, sizeof text, raw, sizeof raw, NULL, &why);
}
static kc_status erase(void) { return kc_erase_user(store, user, USER, &why); }
static kc_status restore(void) { return kc_restore_user(store, user, USER, &why); }
static kc_status rotate(void) { return kc_rotate_user(store, user, USER, &why); }
static kc_status forget(void) { return kc_forget_versions(store, user, USER, &why); }
static kc_status reencrypt(void) {
  return kc_reencrypt(store, user, USER, token, token_len, NULL, again, sizeof again, NULL, &why);
}
static kc_status backup(void) { return kc_backup(store, "backup.db", KC_NUL_TERMINATED, &why); }
static kc_status rewrap(void) { return kc_rewrap(store, 100, NULL, NULL, NULL, &why); }
/* Users under an earlier master key, which are to be moved. */
static void ring_turned(void) {
  static unsigned char turn;
  unsigned char ring[2][KC_KEY_SIZE];
  if (turn > 0)
    CHECK_STATUS(KC_OK, rewrap());
  memcpy(ring[1], MASTER_KEY, KC_KEY_SIZE);
  memcpy(ring[0], MASTER_KEY, KC_KEY_SIZE);
  ring[1][0] ^= turn;
  ring[0][0] ^= ++turn;
  kc_free(store);
  store = open_store_with("keys.db", ring, 2, 0);
}
static kc_status check_store(void) {
  kc_check_report report = KC_CHECK_REPORT_INIT;
  return kc_check(store, &report, &why);
}
static kc_status walk(void) {
  kc_user_walk place = KC_USER_WALK_INIT;
  static char name[1 << 17];
  kc_status status;
  do
    status = kc_next_user(store, &place, name, sizeof name, NULL, NULL, &why);
  while (status == KC_OK);
  return status == KC_END ? KC_OK : status;
}

static const starved *starving;
static unsigned long calls, refusals;

/* In a child: an abort is to be reported, not to end the rest. */
static void starve(void) {
  unsigned long last = 1;
  store = open_store("keys.db");
  user_made();
  for (unsigned long at = 1; at <= last; at++) {
    kc_status status;
    char part[64];
    snprintf(part, sizeof part, "%s, large allocation %lu", starving->name, at);
    check_at(part);
    starving->prepare();
    seen = 0;
    refused = at;
    status = starving->call();
    refused = 0;
    last = seen >= at ? at + 1 : at;
    CHECK(status == KC_OK || status == KC_E_MEMORY);
    calls++;
    refusals += status == KC_E_MEMORY;
    if (status != KC_OK)
      check_forget();
    if (store == NULL)
      store = open_store("keys.db");
    encrypt(store, "probe", "sk-acme", again, sizeof again);
    CHECK(opens(store, "probe", again, "sk-acme"));
  }
  kc_free(store);
  printf("  %-22s %3lu large allocations refused, %3lu of them KC_E_MEMORY\n", starving->name, calls - 1, refusals);
}

static void whatever_runs_out_of_memory_says_so_and_the_store_is_usable(void) {
  static const starved all[] = {
    { "kc_open", closed, open_now },
    { "kc_encrypt, a new user", next_user, encrypt_now },
    { "kc_encrypt, cached", user_made, encrypt_now },
    { "kc_encrypt, uncached", user_uncached, encrypt_now },
    { "kc_decrypt, cached", user_made, decrypt_now },
    { "kc_decrypt, uncached", user_uncached, decrypt_now },
    { "kc_user_key", user_uncached, user_key },
    { "kc_pool_key", nothing, pool_key },
    { "kc_master_key_decode", nothing, master_key_text },
    { "kc_erase_user", user_made, erase },
    { "kc_restore_user", user_erased, restore },
    { "kc_rotate_user", user_made, rotate },
    { "kc_forget_versions", user_rotated, forget },
    { "kc_reencrypt", user_rotated, reencrypt },
    { "kc_rewrap", ring_turned, rewrap },
    { "kc_backup", backup_removed, backup },
    { "kc_check", huge_row, check_store },
    { "kc_next_user", huge_row, walk },
  };
  memset(plaintext, 'p', sizeof plaintext);
  for (size_t at = 0; at < sizeof all / sizeof all[0]; at++) {
    starving = &all[at];
    remove("keys.db");
    check_at(starving->name);
    CHECK(check_in_child(starve));
  }
}

int main(void) {
  RUN(whatever_runs_out_of_memory_says_so_and_the_store_is_usable);
  return check_report();
}
