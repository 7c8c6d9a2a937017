/*
 * Fork with busy threads.
 *
 *     fork [--forks N] [--orphans N] [--nonces N] [--wal] [--fork-ms N] [--pause MS]
 *
 * Four threads make users, encrypt, decrypt, and open and close the store, while the process forks. A child encrypts and
 * decrypts at once with the store and the key that it inherited, makes a user, and opens the store anew where it has to;
 * every third has a child of its own. Every fourth is a raw clone, which libc's hooks do not see: its cached keys must
 * work, and calls that need the store be refused. Then processes are killed while their children live on, and another
 * makes a user at once. Every token is remembered: its user's must open in the end, and no nonce may come twice.
 *
 * --pause: between two users that the parent makes: where syncs are slow nobody else had a turn.
 * --fork-ms: fork() may take so long; it is printed always, and judged where the machine is one's own.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "keycask.h"

#include "../c/temporary.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LIVING 4             /* Children at a time. */
#define HANG 30              /* Seconds after which a child hangs. */
#define ENOUGH_HANGS 4       /* After so many the rest is not tried. */
#define BUSY_TIMEOUT 15000   /* Milliseconds; less than HANG, so that a lock that stays is told from a hang. */
#define CHILD_TOKENS 500     /* Tokens that a child makes in each of two ways. */
#define NONCE 16             /* Characters of base64 that are a token's 12 bytes of nonce. */
#define LARGE 4096           /* Bytes of a message that a raw clone's cached key must take. */
#define USERS 200000
#define AT_ONCE 4.0          /* Seconds within which another process has its turn after a kill. */

static const unsigned char MASTER_KEY[KC_KEY_SIZE] = "0123456789abcdefghijklmnopqrstu";
static const char CACHED[] = "cached", SECRET[] = "sk-alice-1234", PREFIX[] = "v2:";

/* What parent and children share. */
static struct {
  unsigned in_flight;    /* Store calls of other threads that were under way when fork was called. */
  unsigned met;          /* Forks that met such calls. */
  unsigned outlasted;    /* Children that were made while such a call was still under way, by their copy of `turns`. */
  unsigned refused;      /* Children whose store was refused, and which opened it anew. */
  unsigned children, grandchildren, clones, hangs, errors;
  char first_error[1024];
  size_t users;
  struct { char name[32], token[80]; int whole; } made[USERS]; /* whole: nobody was killed while writing it. */
} *all;

static char *nonces;
static size_t *nonce_count, nonce_capacity, nonce_quota;

static char path[PATH_MAX + 16];
static kc_store *store;
static kc_key *key;
static char cached_token[80], key_token[80];
static int stop;
static long pause_between_users;
static int turns[3];       /* Of the threads that call the store: odd while they do. */
static int turns_before[3]; /* As they were when fork was called. */

/* Helpers --------------------------------------------------------------------------------------------------------- */

#define ADD(number, n) __atomic_add_fetch(&(number), (n), __ATOMIC_SEQ_CST)
#define GET(number) __atomic_load_n(&(number), __ATOMIC_SEQ_CST)
#define SET(number, value) __atomic_store_n(&(number), (value), __ATOMIC_SEQ_CST)

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void pause_ms(long ms) {
  struct timespec time = { ms / 1000, ms % 1000 * 1000000 };
  nanosleep(&time, NULL);
}

static void give_up(const char *what) {
  perror(what);
  exit(2);
}

/* Counts an error; the first is kept. No malloc, no stdio: a raw clone may come here. */
static void wrong(const char *what, const char *message) {
  if (ADD(all->errors, 1) == 1) {
    size_t length = strlen(what);
    memcpy(all->first_error, what, length);
    memcpy(all->first_error + length, ": ", 2);
    strncpy(all->first_error + length + 2, message, sizeof all->first_error - length - 3);
  }
}

static int is(const char *what, kc_status expected, kc_status found, const kc_error *why) {
  if (found != expected)
    wrong(what, found < 0 ? why->message : "a success where an error was due");
  return found == expected;
}

static void remember(const char *token) {
  if (GET(*nonce_count) >= nonce_capacity)
    return;
  size_t place = ADD(*nonce_count, 1) - 1;
  if (place < nonce_capacity)
    memcpy(nonces + place * NONCE, token + sizeof PREFIX - 1, NONCE);
}

static kc_store *open_store(void) {
  kc_options options = KC_OPTIONS_INIT;
  kc_error why;
  kc_store *opened = NULL;
  options.busy_timeout_ms = BUSY_TIMEOUT;
  is("kc_open", KC_OK, kc_open(path, KC_NUL_TERMINATED, MASTER_KEY, sizeof MASTER_KEY, &options, &opened, &why), &why);
  return opened;
}

/* Makes a user, whose token the parent opens in the end. */
static kc_status make_user(kc_store *with, kc_error *why) {
  char token[80], name[32];
  static int made;
  snprintf(name, sizeof name, "%d-%d", (int)getpid(), ADD(made, 1));
  kc_status status = kc_encrypt(with, name, KC_NUL_TERMINATED, name, strlen(name), NULL, token, sizeof token, NULL, why);
  if (status == KC_OK) {
    size_t place = ADD(all->users, 1) - 1;
    remember(token);
    if (place < USERS) {
      strcpy(all->made[place].name, name);
      strcpy(all->made[place].token, token);
      __atomic_store_n(&all->made[place].whole, 1, __ATOMIC_RELEASE);
    }
  }
  return status;
}

static int same(const void *plaintext, size_t length) {
  return length == sizeof SECRET - 1 && memcmp(plaintext, SECRET, length) == 0;
}

/* What never needs the store: encrypts and decrypts by the inherited store and by the inherited key. */
static void use_what_is_cached(int tokens) {
  char token[80], plaintext[80];
  size_t length;
  kc_error why;
  for (int i = 0; i < tokens; i++) {
    if (is("kc_encrypt for a cached user", KC_OK,
           kc_encrypt(store, CACHED, KC_NUL_TERMINATED, SECRET, sizeof SECRET - 1, NULL, token, sizeof token, NULL, &why),
           &why))
      remember(token);
    if (is("kc_key_encrypt", KC_OK,
           kc_key_encrypt(key, SECRET, sizeof SECRET - 1, NULL, token, sizeof token, NULL, &why), &why))
      remember(token);
    if (is("kc_decrypt for a cached user", KC_OK,
           kc_decrypt(store, CACHED, KC_NUL_TERMINATED, cached_token, KC_NUL_TERMINATED, NULL, plaintext,
                      sizeof plaintext, &length, &why), &why)
        && !same(plaintext, length))
      wrong("kc_decrypt", "another plaintext");
    if (is("kc_key_decrypt", KC_OK,
           kc_key_decrypt(key, key_token, KC_NUL_TERMINATED, NULL, plaintext, sizeof plaintext, &length, &why), &why)
        && !same(plaintext, length))
      wrong("kc_key_decrypt", "another plaintext");
  }
}

/* The four busy threads ------------------------------------------------------------------------------------------- */

static void *make_users(void *unused) {
  kc_error why;
  (void)unused;
  while (!GET(stop)) {
    ADD(turns[0], 1);
    is("a new user in the parent", KC_OK, make_user(store, &why), &why);
    ADD(turns[0], 1);
    pause_ms(pause_between_users);
  }
  return NULL;
}

static void *encrypt(void *unused) {
  char token[80];
  kc_error why;
  (void)unused;
  while (!GET(stop)) {
    if (is("kc_encrypt in the parent", KC_OK,
           kc_encrypt(store, CACHED, KC_NUL_TERMINATED, SECRET, sizeof SECRET - 1, NULL, token, sizeof token, NULL, &why),
           &why)
        && GET(*nonce_count) < GET(nonce_quota))
      remember(token);
  }
  return NULL;
}

static void *decrypt(void *unused) {
  char plaintext[80];
  size_t length;
  kc_error why;
  (void)unused;
  while (!GET(stop)) {
    is("kc_decrypt in the parent", KC_OK,
       kc_decrypt(store, CACHED, KC_NUL_TERMINATED, cached_token, KC_NUL_TERMINATED, NULL, plaintext, sizeof plaintext,
                  &length, &why), &why);
    is("kc_key_decrypt in the parent", KC_OK,
       kc_key_decrypt(key, key_token, KC_NUL_TERMINATED, NULL, plaintext, sizeof plaintext, &length, &why), &why);
    /* Before it is refused, the store is looked at. */
    ADD(turns[2], 1);
    is("another user's token in the parent", KC_E_AUTHENTICATION,
       kc_decrypt(store, CACHED, KC_NUL_TERMINATED, key_token, KC_NUL_TERMINATED, NULL, plaintext, sizeof plaintext,
                  &length, &why), &why);
    ADD(turns[2], 1);
  }
  return NULL;
}

static void *open_and_close(void *unused) {
  char plaintext[80];
  kc_error why;
  (void)unused;
  while (!GET(stop)) {
    ADD(turns[1], 1);
    kc_store *another = open_store();
    if (another != NULL) {
      is("kc_decrypt from the file in the parent", KC_OK,
         kc_decrypt(another, CACHED, KC_NUL_TERMINATED, cached_token, KC_NUL_TERMINATED, NULL, plaintext,
                    sizeof plaintext, NULL, &why), &why);
      kc_free(another);
    }
    ADD(turns[1], 1);
    pause_ms(1);
  }
  return NULL;
}

static void *(*const WORK[])(void *) = { make_users, encrypt, decrypt, open_and_close };
#define THREADS (sizeof WORK / sizeof *WORK)

/* Children -------------------------------------------------------------------------------------------------------- */

static void child(int generation) {
  kc_error why;
  alarm(HANG);
  use_what_is_cached(1);
  if (generation == 0)
    for (int i = 0; i < 3; i++)
      ADD(all->outlasted, turns_before[i] % 2 == 1 && turns[i] == turns_before[i] ? 1 : 0);
  kc_status status = make_user(store, &why);
  if (status == KC_E_UNSUPPORTED) {
    kc_store *anew = open_store();
    ADD(all->refused, 1);
    is("a new user after opening anew", KC_OK, make_user(anew, &why), &why);
    is("kc_free in a child", KC_OK, kc_free(anew), &why);
  } else {
    is("a new user in a child", KC_OK, status, &why);
  }
  use_what_is_cached(generation == 0 ? CHILD_TOKENS : 1);
  _exit(0);
}

static void parent_of_a_child(void) {
  kc_error why;
  alarm(HANG);
  use_what_is_cached(1);
  pid_t grandchild = fork();
  if (grandchild == 0)
    child(1);
  ADD(all->grandchildren, 1);
  kc_status status = make_user(store, &why);
  if (status != KC_E_UNSUPPORTED)
    is("a new user in a child with a child", KC_OK, status, &why);
  int ended = 0;
  waitpid(grandchild, &ended, 0);
  if (ended != 0) {
    ADD(all->hangs, WIFSIGNALED(ended) && WTERMSIG(ended) == SIGALRM ? 1 : 0);
    wrong("a grandchild", WIFSIGNALED(ended) ? strsignal(WTERMSIG(ended)) : "its exit status");
  }
  child(0);
}

static char large[LARGE], large_token[LARGE * 2], large_again[LARGE + 1];

static void raw_clone_child(void) {
  char token[80];
  size_t length;
  kc_error why;
  kc_key *another;
  alarm(HANG);
  use_what_is_cached(CHILD_TOKENS);
  if (is("4 KiB in a raw clone", KC_OK,
         kc_key_encrypt(key, large, sizeof large, NULL, large_token, sizeof large_token, NULL, &why), &why)) {
    remember(large_token);
    if (is("4 KiB back in a raw clone", KC_OK,
           kc_key_decrypt(key, large_token, KC_NUL_TERMINATED, NULL, large_again, sizeof large_again, &length, &why), &why)
        && (length != sizeof large || memcmp(large, large_again, length) != 0))
      wrong("4 KiB in a raw clone", "another plaintext");
  }
  is("a new user in a raw clone", KC_E_UNSUPPORTED,
     kc_encrypt(store, "raw", 3, "", 0, NULL, token, sizeof token, NULL, &why), &why);
  is("an uncached user's token in a raw clone", KC_E_UNSUPPORTED,
     kc_decrypt(store, "uncached", 8, cached_token, KC_NUL_TERMINATED, NULL, token, sizeof token, NULL, &why), &why);
  is("an uncached user's key in a raw clone", KC_E_UNSUPPORTED, kc_user_key(store, "uncached", 8, NULL, &another, &why),
     &why);
  _exit(0);
}

static void reap(int *living) {
  int ended;
  pid_t gone = waitpid(-1, &ended, 0);
  if (gone < 0)
    give_up("waitpid");
  (*living)--;
  if (ended == 0)
    return;
  ADD(all->hangs, WIFSIGNALED(ended) && WTERMSIG(ended) == SIGALRM ? 1 : 0);
  wrong("a child", WIFSIGNALED(ended) ? strsignal(WTERMSIG(ended)) : "its exit status");
}

static double fork_busily(int forks) {
  pthread_t threads[THREADS];
  double longest = 0;
  int living = 0;
  kc_error why;

  store = open_store();
  if (store == NULL)
    return 0;
  is("the cached user", KC_OK,
     kc_encrypt(store, CACHED, KC_NUL_TERMINATED, SECRET, sizeof SECRET - 1, NULL, cached_token, sizeof cached_token, NULL,
                &why), &why);
  is("the key", KC_OK, kc_user_key(store, "key", 3, NULL, &key, &why), &why);
  is("the key's token", KC_OK,
     kc_key_encrypt(key, SECRET, sizeof SECRET - 1, NULL, key_token, sizeof key_token, NULL, &why), &why);
  for (size_t i = 0; i < THREADS; i++)
    if (pthread_create(&threads[i], NULL, WORK[i], NULL) != 0)
      give_up("pthread_create");
  for (int i = 0; i < forks && all->hangs < ENOUGH_HANGS; i++) {
    pause_ms(rand() % 10);
    int raw = i % 4 == 3, under_way = 0;
    for (int thread = 0; thread < 3; thread++)
      under_way += (turns_before[thread] = GET(turns[thread])) % 2;
    double before = now();
    pid_t made = raw ? (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0) : fork();
    if (made == 0) {
      if (raw)
        raw_clone_child();
      else if (i % 3 == 0)
        parent_of_a_child();
      child(0);
    }
    double took = now() - before;
    if (made < 0)
      give_up("fork");
    if (!raw && took > longest)
      longest = took;
    ADD(*(raw ? &all->clones : &all->children), 1);
    if (!raw) {
      ADD(all->in_flight, (unsigned)under_way);
      ADD(all->met, under_way > 0 ? 1 : 0);
    }
    SET(nonce_quota, nonce_capacity / (size_t)forks * (size_t)(i + 1));
    if (++living == LIVING)
      reap(&living);
  }
  while (living > 0)
    reap(&living);
  alarm(HANG); /* For the threads, which have a store call to finish. */
  SET(stop, 1);
  for (size_t i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  alarm(0);
  SET(stop, 0);
  is("kc_free of the key", KC_OK, kc_free(key), &why);
  is("kc_free of the store", KC_OK, kc_free(store), &why);
  return longest;
}

/* Orphans --------------------------------------------------------------------------------------------------------- */

/* Forks children that live on, and works until it is killed. */
static void doomed(int ready) {
  pthread_t thread;
  kc_error why;
  store = open_store();
  for (int i = 0; i < 2; i++)
    pthread_create(&thread, NULL, i == 0 ? make_users : open_and_close, NULL);
  pause_ms(rand() % 10);
  for (int i = 0; i < 3; i++) {
    if (fork() == 0) {
      if (i == 1 && make_user(store, &why) == KC_E_UNSUPPORTED)
        ADD(all->refused, 1);
      if (i == 2 && fork() != 0)
        _exit(0);
      for (;;)
        pause();
    }
    pause_ms(rand() % 3);
  }
  if (write(ready, "", 1) != 1)
    _exit(2);
  for (;;)
    pause();
}

/* Answers the longest that another process had to wait for its user. */
static double kill_parents(int orphans) {
  double longest = 0;
  prctl(PR_SET_CHILD_SUBREAPER, 1);
  for (int i = 0; i < orphans; i++) {
    int pipes[2], ended;
    char byte;
    if (pipe(pipes) != 0)
      give_up("pipe");
    pid_t parent = fork();
    if (parent == 0) {
      setpgid(0, 0);
      srand((unsigned)i);
      doomed(pipes[1]);
    }
    setpgid(parent, parent);
    if (read(pipes[0], &byte, 1) != 1)
      give_up("read");
    pause_ms(rand() % 20);
    kill(parent, SIGKILL);
    waitpid(parent, &ended, 0);

    pid_t another = fork();
    if (another == 0) {
      kc_error why;
      double before = now();
      alarm(HANG);
      kc_store *anew = open_store();
      is("a new user after a kill", KC_OK, anew == NULL ? KC_E_BUSY : make_user(anew, &why), &why);
      double took = now() - before;
      if (took > AT_ONCE)
        wrong("a new user after a kill", "the dead parent's lock was waited for");
      _exit((int)(took * 100) + 1);
    }
    waitpid(another, &ended, 0);
    if (!WIFEXITED(ended))
      wrong("a new user after a kill", strsignal(WTERMSIG(ended)));
    else if (WEXITSTATUS(ended) / 100.0 > longest)
      longest = WEXITSTATUS(ended) / 100.0;
    kill(-parent, SIGKILL);
    while (waitpid(-parent, NULL, 0) > 0)
      ;
    close(pipes[0]);
    close(pipes[1]);
  }
  return longest;
}

/* What is left ---------------------------------------------------------------------------------------------------- */

static size_t count_lost(void) {
  char plaintext[80];
  size_t length, lost = 0;
  kc_error why;
  kc_store *anew = open_store();
  for (size_t i = 0; i < all->users && i < USERS; i++)
    if (all->made[i].whole
        && (kc_decrypt(anew, all->made[i].name, KC_NUL_TERMINATED, all->made[i].token, KC_NUL_TERMINATED, NULL,
                       plaintext, sizeof plaintext, &length, &why) != KC_OK
        || length != strlen(all->made[i].name) || memcmp(plaintext, all->made[i].name, length) != 0))
      lost++;
  kc_free(anew);
  return lost;
}

static int compare(const void *left, const void *right) {
  return memcmp(left, right, NONCE);
}

static size_t count_repeated(size_t count) {
  size_t repeated = 0;
  qsort(nonces, count, NONCE, compare);
  for (size_t i = 1; i < count; i++)
    repeated += memcmp(nonces + (i - 1) * NONCE, nonces + i * NONCE, NONCE) == 0;
  return repeated;
}

/* A file whose header says 2 twice is in WAL mode (SQLite's file format, 1.3.3). */
static void to_wal(void) {
  int file = open(path, O_RDWR);
  if (file < 0 || pwrite(file, "\2\2", 2, 18) != 2 || close(file) != 0)
    give_up(path);
}

static void *shared(size_t length) {
  void *memory = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    give_up("mmap");
  return memory;
}

int main(int count, char **arguments) {
  static const struct option OPTIONS[] = { { "forks", 1, NULL, 'f' }, { "orphans", 1, NULL, 'o' },
                                           { "nonces", 1, NULL, 'n' }, { "wal", 0, NULL, 'w' },
                                           { "fork-ms", 1, NULL, 'm' }, { "pause", 1, NULL, 'p' }, { NULL, 0, NULL, 0 } };
  int forks = 200, orphans = 10, wal = 0, option;
  double allowed = 1e9;
  nonce_capacity = 1000000;
  while ((option = getopt_long(count, arguments, "", OPTIONS, NULL)) != -1)
    switch (option) {
      case 'f': forks = atoi(optarg); break;
      case 'o': orphans = atoi(optarg); break;
      case 'n': nonce_capacity = (size_t)atol(optarg); break;
      case 'w': wal = 1; break;
      case 'm': allowed = atof(optarg); break;
      case 'p': pause_between_users = atol(optarg); break;
      default: return 2;
    }
  all = shared(sizeof *all);
  nonces = shared(nonce_capacity * NONCE);
  nonce_count = shared(sizeof *nonce_count);

  if (make_temporary_folder() != 0)
    give_up(temporary_folder);
  snprintf(path, sizeof path, "%s/keys.db", temporary_folder);
  kc_free(open_store());
  if (wal)
    to_wal();

  double longest_fork = 1000 * fork_busily(forks);
  double longest_turn = 1000 * kill_parents(orphans);
  size_t lost = count_lost();
  size_t collected = *nonce_count < nonce_capacity ? *nonce_count : nonce_capacity;
  size_t repeated = count_repeated(collected);

  printf("%s: %u forks and %u raw clones with %zu busy threads, %u grandchildren; %u forks met %u store calls in flight, "
         "%u of which outlasted them, %u stores were refused and opened anew; fork took at most %.0f ms; %u hangs, %u errors; %zu users, %zu lost; "
         "%zu nonces, %zu repeated; %d parents killed while their children lived on, another process had its user within "
         "%.0f ms\n",
         wal ? "WAL" : "rollback journal", all->children, all->clones, THREADS, all->grandchildren, all->met, all->in_flight,
         all->outlasted, all->refused, longest_fork, all->hangs, all->errors, all->users, lost, collected, repeated,
         orphans, longest_turn);
  if (all->errors > 0)
    printf("  the first error: %s\n", all->first_error);
  if (longest_fork > allowed)
    printf("  fork may take %.0f ms\n", allowed);
  static const char *const FILES[] = { "", "-wal", "-shm", "-journal" };
  for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
    char file[4200];
    snprintf(file, sizeof file, "%s%s", path, FILES[i]);
    unlink(file);
  }
  rmdir(temporary_folder);
  return all->errors > 0 || all->hangs > 0 || lost > 0 || repeated > 0 || longest_fork > allowed || all->met == 0;
}
