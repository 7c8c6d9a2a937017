/* Handles: what is none is refused everywhere, and threads may do with one what they like. */

#include "check.h"

#include <pthread.h>
#include <sched.h>

#define SECRET "sk-alice-0123456789"
#define THREADS 8

static char token[128]; /* of alice, to be thrown with the handles */

/* Gives a handle to every function that takes one, which refuses it and writes nothing. */
static void throw_everywhere(void *handle) {
  kc_store *store = (kc_store *)handle;
  kc_key *key = (kc_key *)handle, *made = (kc_key *)(void *)&why;
  char out[128];
  size_t len = UNTOUCHED;
  fill(out, sizeof out);
  CHECK_STATUS(KC_E_HANDLE, kc_encrypt(store, TEXT("alice"), TEXT(SECRET), NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_HANDLE, kc_decrypt(store, TEXT("alice"), token, strlen(token), NULL,
                                       out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_HANDLE, kc_user_key(store, TEXT("alice"), NULL, &made, &why));
  CHECK(made == NULL);
  made = key;
  CHECK_STATUS(KC_E_HANDLE, kc_pool_key(store, &made, &why));
  CHECK(made == NULL);
  CHECK_STATUS(KC_E_HANDLE, kc_key_export(key, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_HANDLE, kc_key_encrypt(key, TEXT(SECRET), NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_HANDLE, kc_key_decrypt(key, token, strlen(token), NULL, out, sizeof out, &len, &why));
  CHECK(len == UNTOUCHED && untouched(out, sizeof out));
  CHECK_STATUS(handle == NULL ? KC_OK : KC_E_HANDLE, kc_free(handle));
}

static void throw_number(uint64_t number) {
  throw_everywhere((void *)(uintptr_t)number);
}

static kc_key *user_key(kc_store *store) {
  kc_key *key = NULL;
  CHECK_STATUS(KC_OK, kc_user_key(store, TEXT("alice"), NULL, &key, &why));
  return key;
}

static kc_key *imported(void) {
  kc_key *key = NULL;
  CHECK_STATUS(KC_OK, kc_key_import(MASTER_KEY, KC_KEY_SIZE, &key, &why));
  return key;
}


/* What is no handle ----------------------------------------------------------------------------------------------- */

static void null_and_small_and_all_ones_are_no_handles(void) {
  kc_store *store = open_store(":memory:"); /* something there is to be hit */
  encrypt(store, "alice", SECRET, token, sizeof token);
  throw_everywhere(NULL);
  for (uint64_t number = 1; number < 64; number++)
    throw_number(number);
  throw_number(UINT64_MAX);
  throw_number(UINT64_MAX >> 1);
  throw_number((uint64_t)1 << 62);
  throw_number((uint64_t)3 << 62);
  CHECK(opens(store, "alice", token, SECRET));
  kc_free(store);
}

static void addresses_are_no_handles(void) {
  uint64_t local[4] = { 0 };
  static uint64_t fixed[4];
  uint64_t *allocated = (uint64_t *)allocate(4096);
  kc_store *store = open_store(":memory:");
  fill(allocated, 4096);
  throw_everywhere(local);
  throw_everywhere(fixed);
  throw_everywhere(allocated);
  throw_everywhere(allocated + 1);
  throw_everywhere(&store);
  throw_everywhere((void *)(uintptr_t)SECRET);
  CHECK(untouched(allocated, 4096) && local[0] == 0 && fixed[0] == 0);
  free(allocated);
  kc_free(store);
}

static void a_handle_with_a_changed_bit_is_none(void) {
  kc_store *store = open_store(":memory:");
  encrypt(store, "alice", SECRET, token, sizeof token);
  for (int bit = 0; bit < 64; bit++)
    throw_number((uint64_t)(uintptr_t)store ^ (uint64_t)1 << bit);
  CHECK(opens(store, "alice", token, SECRET));
  kc_free(store);
}

/* G. Marsaglia, Xorshift RNGs, 2003. Deterministic, so that a failure can be seen again. */
static uint64_t next_random(void) {
  static uint64_t state = 0x9e3779b97f4a7c15;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}

static void random_numbers_are_no_handles(void) {
  int count = check_slow() ? 3000 : 1000000;
  kc_store *store = open_store(":memory:");
  kc_key *key = imported(), *stale = imported();
  encrypt(store, "alice", SECRET, token, sizeof token);
  kc_free(stale);
  if (check_slow())
    check_note("3,000 numbers in place of a million");
  for (int i = 0; i < count; i++) {
    uint64_t number = next_random();
    if (i % 4 > 0) /* of the form that tickets have: bit 63 set, bit 62 clear */
      number = (number | (uint64_t)1 << 63) & ~((uint64_t)1 << 62);
    if (i % 4 > 1) /* and of a slot that may be in use */
      number &= ~(uint64_t)0xfffffff0;
    if (i % 4 > 2) /* and of a generation that may be current */
      number &= ~((uint64_t)0x3ffffff0 << 32);
    if (number != (uint64_t)(uintptr_t)store && number != (uint64_t)(uintptr_t)key)
      throw_number(number);
  }
  CHECK(opens(store, "alice", token, SECRET));
  CHECK_STATUS(KC_OK, kc_free(key));
  CHECK_STATUS(KC_OK, kc_free(store));
}

static void a_freed_handle_is_none_and_stays_so(void) {
  kc_store *store = open_store(":memory:");
  kc_key *key = imported();
  encrypt(store, "alice", SECRET, token, sizeof token);
  kc_free(key);
  kc_free(store);
  throw_everywhere(store);
  throw_everywhere(key);
  for (int i = 0; i < 1000; i++) { /* their places are taken again and again */
    kc_key *next = imported();
    CHECK(next != key && (void *)next != (void *)store);
    kc_free(next);
  }
  kc_store *other = open_store(":memory:");
  kc_key *another = imported();
  throw_everywhere(store);
  throw_everywhere(key);
  kc_free(other);
  kc_free(another);
}

static void the_message_says_what_was_found(void) {
  kc_store *store = open_store(":memory:");
  kc_key *key = user_key(store);
  char out[128];
  CHECK_STATUS(KC_E_HANDLE, kc_encrypt((kc_store *)(void *)key, TEXT("alice"), TEXT(SECRET), NULL,
                                       out, sizeof out, NULL, &why));
  CHECK(says("is a kc_key") && says("kc_store was expected"));
  CHECK_STATUS(KC_E_HANDLE, kc_key_encrypt((kc_key *)(void *)store, TEXT(SECRET), NULL, out, sizeof out, NULL, &why));
  CHECK(says("is a kc_store") && says("kc_key was expected"));
  CHECK_STATUS(KC_E_HANDLE, kc_key_encrypt(NULL, TEXT(SECRET), NULL, out, sizeof out, NULL, &why));
  CHECK(says("NULL"));
  kc_free(store);
  CHECK_STATUS(KC_E_HANDLE, kc_key_encrypt(key, TEXT(SECRET), NULL, out, sizeof out, NULL, &why));
  CHECK(says("store was freed"));
  kc_free(key);
  CHECK_STATUS(KC_E_HANDLE, kc_key_encrypt(key, TEXT(SECRET), NULL, out, sizeof out, NULL, &why));
  CHECK(says("freed"));
}

static void a_handle_of_the_other_type_is_refused(void) {
  kc_store *store = open_store(":memory:"), *as_store;
  kc_key *user = user_key(store), *own = imported(), *as_key = (kc_key *)(void *)store, *made = own;
  kc_key *keys[2];
  char out[128];
  size_t len = UNTOUCHED;
  keys[0] = user;
  keys[1] = own;
  encrypt(store, "alice", SECRET, token, sizeof token);
  fill(out, sizeof out);
  for (int i = 0; i < 2; i++) {
    as_store = (kc_store *)(void *)keys[i];
    CHECK_STATUS(KC_E_HANDLE, kc_encrypt(as_store, TEXT("alice"), TEXT(SECRET), NULL, out, sizeof out, &len, &why));
    CHECK_STATUS(KC_E_HANDLE, kc_decrypt(as_store, TEXT("alice"), token, strlen(token), NULL,
                                         out, sizeof out, &len, &why));
    CHECK_STATUS(KC_E_HANDLE, kc_user_key(as_store, TEXT("alice"), NULL, &made, &why));
    CHECK_STATUS(KC_E_HANDLE, kc_pool_key(as_store, &made, &why));
  }
  CHECK_STATUS(KC_E_HANDLE, kc_key_export(as_key, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_HANDLE, kc_key_encrypt(as_key, TEXT(SECRET), NULL, out, sizeof out, &len, &why));
  CHECK_STATUS(KC_E_HANDLE, kc_key_decrypt(as_key, token, strlen(token), NULL, out, sizeof out, &len, &why));
  CHECK(made == NULL && len == UNTOUCHED && untouched(out, sizeof out));
  kc_free(user);
  kc_free(own);
  kc_free(store);
}


/* Threads --------------------------------------------------------------------------------------------------------- */

static pthread_barrier_t barrier;

/* What a thread is given and what it found; statuses are checked when all have ended. */
struct worker {
  kc_store *store;
  kc_key *key;
  int number;
  int wrong;
  int freed;
  char tokens[50][128];
};

static struct worker workers[THREADS];

/* Runs work in all threads; the main thread runs meanwhile, between the barriers it shares with them. */
static void in_threads(void *(*work)(void *), kc_store *const stores[2], kc_key *key, void (*meanwhile)(void)) {
  pthread_t threads[THREADS];
  CHECK(pthread_barrier_init(&barrier, NULL, meanwhile != NULL ? THREADS + 1 : THREADS) == 0);
  for (int i = 0; i < THREADS; i++) {
    memset(&workers[i], 0, sizeof workers[i]);
    workers[i].store = stores[i % 2];
    workers[i].key = key;
    workers[i].number = i;
    if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0)
      abort(); /* the others would wait for ever */
  }
  if (meanwhile != NULL)
    meanwhile();
  for (int i = 0; i < THREADS; i++)
    CHECK(pthread_join(threads[i], NULL) == 0);
  pthread_barrier_destroy(&barrier);
}

/* Encrypts and decrypts once by store and by key. How many of the four calls met a handle that had ended. */
static int work_once(struct worker *worker) {
  char made[128], found[128];
  kc_status statuses[4];
  int ended = 0;
  size_t len = 0;
  statuses[0] = kc_encrypt(worker->store, TEXT("alice"), TEXT(SECRET), NULL, made, sizeof made, NULL, NULL);
  statuses[1] = kc_decrypt(worker->store, TEXT("alice"), token, strlen(token), NULL, found, sizeof found, &len, NULL);
  if (statuses[1] == KC_OK && (len != strlen(SECRET) || strcmp(found, SECRET) != 0))
    worker->wrong++;
  statuses[2] = kc_key_encrypt(worker->key, TEXT(SECRET), NULL, made, sizeof made, NULL, NULL);
  statuses[3] = kc_key_decrypt(worker->key, token, strlen(token), NULL, found, sizeof found, &len, NULL);
  if (statuses[3] == KC_OK && (len != strlen(SECRET) || strcmp(found, SECRET) != 0))
    worker->wrong++;
  for (int i = 0; i < 4; i++) {
    worker->wrong += statuses[i] != KC_OK && statuses[i] != KC_E_HANDLE;
    ended += statuses[i] == KC_E_HANDLE;
  }
  return ended;
}

static void *work_until_all_is_freed(void *given) {
  struct worker *worker = (struct worker *)given;
  worker->wrong += work_once(worker) != 0;
  pthread_barrier_wait(&barrier);
  while (work_once(worker) < 4)
    sched_yield(); /* valgrind runs one thread at a time, and would seldom choose the one that frees */
  return NULL;
}

static void free_key_then_store(void) {
  pthread_barrier_wait(&barrier);
  CHECK_STATUS(KC_OK, kc_free(workers[0].key));
  CHECK_STATUS(KC_OK, kc_free(workers[0].store));
}

static void free_store_then_key(void) {
  pthread_barrier_wait(&barrier);
  CHECK_STATUS(KC_OK, kc_free(workers[0].store));
  CHECK_STATUS(KC_OK, kc_free(workers[0].key));
}

static void what_is_freed_under_working_threads_ends_well_in_each(void) {
  int rounds = check_slow() ? 4 : 100;
  for (int round = 0; round < rounds; round++) {
    kc_store *store = open_store(":memory:"), *stores[2];
    stores[0] = stores[1] = store;
    encrypt(store, "alice", SECRET, token, sizeof token);
    in_threads(work_until_all_is_freed, stores, user_key(store),
               round % 2 == 0 ? free_key_then_store : free_store_then_key);
    for (int i = 0; i < THREADS; i++)
      CHECK(workers[i].wrong == 0);
  }
}

static void *make_users(void *given) {
  struct worker *worker = (struct worker *)given;
  char user[16];
  for (int i = 0; i < 50; i++) {
    snprintf(user, sizeof user, "user %d", i);
    pthread_barrier_wait(&barrier);
    worker->wrong += kc_encrypt(worker->store, user, KC_NUL_TERMINATED, TEXT(SECRET), NULL,
                                worker->tokens[i], sizeof worker->tokens[i], NULL, NULL) != KC_OK;
  }
  return NULL;
}

static void users_made_by_many_threads_at_once_have_one_key_each(void) {
  kc_store *stores[2];
  char user[16];
  stores[0] = open_store("keys.db");
  stores[1] = open_store("keys.db");
  in_threads(make_users, stores, NULL, NULL);
  for (int i = 0; i < THREADS; i++) {
    CHECK(workers[i].wrong == 0);
    for (int j = 0; j < 50; j++) {
      snprintf(user, sizeof user, "user %d", j);
      CHECK(opens(stores[0], user, workers[i].tokens[j], SECRET));
      CHECK(opens(stores[1], user, workers[i].tokens[j], SECRET));
    }
  }
  CHECK(sql_number("keys.db", "SELECT count(*) FROM encryption_keys") == 50);
  kc_free(stores[0]);
  kc_free(stores[1]);
}

static void *free_the_key(void *given) {
  struct worker *worker = (struct worker *)given;
  pthread_barrier_wait(&barrier);
  kc_status status = kc_free(worker->key);
  worker->freed = status == KC_OK;
  worker->wrong = status != KC_OK && status != KC_E_HANDLE;
  return NULL;
}

static void a_handle_that_many_threads_free_is_freed_once(void) {
  kc_store *stores[2] = { NULL, NULL };
  for (int round = 0; round < 20; round++) {
    int freed = 0;
    in_threads(free_the_key, stores, imported(), NULL);
    for (int i = 0; i < THREADS; i++) {
      CHECK(workers[i].wrong == 0);
      freed += workers[i].freed;
    }
    CHECK(freed == 1);
  }
}

static void *make_and_free_keys(void *given) {
  struct worker *worker = (struct worker *)given;
  int rounds = check_slow() ? 50 : 5000;
  unsigned char raw[KC_KEY_SIZE] = { 0 }, found[KC_KEY_SIZE];
  raw[0] = (unsigned char)worker->number;
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < rounds; i++) {
    kc_key *key = NULL;
    worker->wrong += kc_key_import(raw, sizeof raw, &key, NULL) != KC_OK;
    worker->wrong += kc_key_export(key, found, sizeof found, NULL, NULL) != KC_OK;
    worker->wrong += memcmp(raw, found, sizeof raw) != 0;
    worker->wrong += kc_free(key) != KC_OK;
    worker->wrong += kc_key_export(key, found, sizeof found, NULL, NULL) != KC_E_HANDLE;
  }
  return NULL;
}

static void no_thread_meets_anothers_handle(void) {
  kc_store *stores[2] = { NULL, NULL };
  in_threads(make_and_free_keys, stores, NULL, NULL);
  for (int i = 0; i < THREADS; i++)
    CHECK(workers[i].wrong == 0);
}

static void a_handle_does_not_go_into_an_input(void) {
  char name[64];
  kc_store *store = open_store(":memory:");
  strcpy(name, "alice-12-and-a-long-tail");
  CHECK_STATUS(KC_E_ARGUMENT, kc_user_key(store, name, KC_NUL_TERMINATED, NULL, (kc_key **)(void *)(name + 8), &why));
  strcpy(name, "alice-12-and-a-long-tail");
  CHECK_STATUS(KC_E_ARGUMENT, kc_user_key(store, name, 24, NULL, (kc_key **)(void *)(name + 16), &why));
  /* No key was made for what the name would have become. */
  kc_call existing = call_with(KC_EXISTING);
  kc_key *key;
  CHECK_STATUS(KC_E_UNKNOWN_USER, kc_user_key(store, TEXT("alice-12"), &existing, &key, &why));
  CHECK(key == NULL);
  kc_free(store);
}

int main(void) {
  RUN(null_and_small_and_all_ones_are_no_handles);
  RUN(addresses_are_no_handles);
  RUN(a_handle_with_a_changed_bit_is_none);
  RUN(random_numbers_are_no_handles);
  RUN(a_freed_handle_is_none_and_stays_so);
  RUN(the_message_says_what_was_found);
  RUN(a_handle_of_the_other_type_is_refused);

  RUN(what_is_freed_under_working_threads_ends_well_in_each);
  RUN(users_made_by_many_threads_at_once_have_one_key_each);
  RUN(a_handle_that_many_threads_free_is_freed_once);
  RUN(no_thread_meets_anothers_handle);
  RUN(a_handle_does_not_go_into_an_input);
  return check_report();
}
