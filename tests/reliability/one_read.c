/*
 * Thousands of threads that ask for one uncached user at once.
 *
 *     one_read [--threads N]
 *
 * While another SQLite has the store's file to itself, each thread decrypts, or encrypts, for the same user. When all of
 * them wait, the file is let go. All must be answered, and the store have been read once; for a new user it is read once and
 * one key is made. How often the store's file was locked is counted from outside, in fcntl.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "keycask.h"

#include "../c/temporary.h"

#include <dirent.h>
#include <fcntl.h>
#include <getopt.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define STACK (64 * 1024)
#define ROUNDS 5            /* Of which one has to be quick enough. */
#define FRESH 0.9           /* Seconds after an opening within which no look at the store is due. */
#define PENDING 0x40000000L /* SQLite's lock byte that every transaction asks for first. */

static const unsigned char MASTER_KEY[KC_KEY_SIZE] = "0123456789abcdefghijklmnopqrstu";
static const char SECRET[] = "sk-alice-1234";

static kc_store *store;
static const char *user;
static char token[80];
static int entered, failed, transactions;

/* The library's calls of fcntl come here. */
int fcntl(int file, int command, ...) {
  va_list arguments;
  va_start(arguments, command);
  void *argument = va_arg(arguments, void *);
  va_end(arguments);
  int answer = (int)syscall(SYS_fcntl, file, command, argument);
  if (command == F_OFD_GETLK && answer == 0) {
    const struct flock *lock = (const struct flock *)argument;
    if (lock->l_type != F_WRLCK && lock->l_start == PENDING)
      __atomic_add_fetch(&transactions, 1, __ATOMIC_SEQ_CST);
  }
  return answer;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void *ask(void *encrypting) {
  char text[80];
  kc_error why;
  __atomic_add_fetch(&entered, 1, __ATOMIC_SEQ_CST);
  kc_status status =
      encrypting
          ? kc_encrypt(store, user, KC_NUL_TERMINATED, SECRET, strlen(SECRET), NULL, text, sizeof text, NULL, &why)
          : kc_decrypt(store, user, KC_NUL_TERMINATED, token, KC_NUL_TERMINATED, NULL, text, sizeof text, NULL, &why);
  if (status != KC_OK) {
    __atomic_add_fetch(&failed, 1, __ATOMIC_SEQ_CST);
    fprintf(stderr, "%s\n", why.message);
  }
  return NULL;
}

/* Whether all threads but this one sleep, as the kernel tells it. */
static int all_sleep(void) {
  char name[300], line[300];
  int awake = 0;
  DIR *threads = opendir("/proc/self/task");
  for (struct dirent *each; (each = readdir(threads)) != NULL;) {
    if (each->d_name[0] == '.' || atoi(each->d_name) == (int)getpid())
      continue;
    snprintf(name, sizeof name, "/proc/self/task/%s/stat", each->d_name);
    FILE *file = fopen(name, "r");
    if (file == NULL)
      continue;
    const char *behind_name = fgets(line, sizeof line, file) ? strrchr(line, ')') : NULL;
    awake += behind_name == NULL || behind_name[2] != 'S';
    fclose(file);
  }
  closedir(threads);
  return awake == 0;
}

static void check(int holds, const char *what) {
  if (!holds) {
    fprintf(stderr, "%s failed\n", what);
    exit(2);
  }
}

static void open_store(const char *path) {
  kc_options options = KC_OPTIONS_INIT;
  options.busy_timeout_ms = 600000;
  check(kc_open(path, KC_NUL_TERMINATED, MASTER_KEY, sizeof MASTER_KEY, &options, &store, NULL) == KC_OK, "kc_open");
}

/* How many transactions began; -1 when it took so long that a look at it was due besides. */
static int asked_at_once(const char *path, int threads, int encrypting) {
  pthread_attr_t small;
  pthread_t *all = (pthread_t *)calloc((size_t)threads, sizeof *all);
  sqlite3 *host;
  check(all != NULL && sqlite3_open(path, &host) == SQLITE_OK, "preparing");
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, STACK);
  double opened = now();
  open_store(path);
  check(sqlite3_exec(host, "BEGIN EXCLUSIVE", NULL, NULL, NULL) == SQLITE_OK, "taking the file");
  entered = transactions = 0;
  check(pthread_create(&all[0], &small, ask, encrypting ? &failed : NULL) == 0, "pthread_create");
  while (__atomic_load_n(&entered, __ATOMIC_SEQ_CST) < 1 || !all_sleep())
    sched_yield();
  int quick = now() - opened < FRESH;
  for (int at = 1; at < threads; at++)
    check(pthread_create(&all[at], &small, ask, encrypting ? &failed : NULL) == 0, "pthread_create");
  while (__atomic_load_n(&entered, __ATOMIC_SEQ_CST) < threads || !all_sleep())
    sched_yield();
  check(sqlite3_exec(host, "COMMIT", NULL, NULL, NULL) == SQLITE_OK, "letting the file go");
  for (int at = 0; at < threads; at++)
    pthread_join(all[at], NULL);
  int found = transactions;
  kc_free(store);
  sqlite3_close(host);
  free(all);
  return quick ? found : -1;
}

int main(int argc, char **argv) {
  const struct option options[] = { { "threads", required_argument, NULL, 't' }, { NULL, 0, NULL, 0 } };
  int threads = 3000, decrypting = -1, creating = -1;
  char path[PATH_MAX + 16], name[40];
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option != 't')
      return 2;
    threads = atoi(optarg);
  }
  check(make_temporary_folder() == 0, "mkdtemp");
  snprintf(path, sizeof path, "%s/keys.db", temporary_folder);
  open_store(path);
  check(kc_encrypt(store, "alice", 5, SECRET, strlen(SECRET), NULL, token, sizeof token, NULL, NULL) == KC_OK, "kc_encrypt");
  kc_free(store);
  user = "alice";
  for (int round = 0; round < ROUNDS && decrypting < 0; round++)
    decrypting = asked_at_once(path, threads, 0);
  user = name;
  for (int round = 0; round < ROUNDS && creating < 0; round++) {
    snprintf(name, sizeof name, "new user %d", round);
    creating = asked_at_once(path, threads, 1);
  }
  printf("%d threads asked at once: an uncached user, %d store read; a new user, %d store read and "
         "1 creation; %d calls failed\n", threads, decrypting, creating - 1, failed);
  unlink(path);
  rmdir(temporary_folder);
  return decrypting != 1 || creating != 2 || failed > 0;
}
