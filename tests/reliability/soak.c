/*
 * Mixed work for long.
 *
 *     soak [--seconds N]
 *
 * Four threads make users, encrypt and decrypt for them, take and free key handles, and open and close stores; there are
 * many more users than the cache keeps. Twenty times all of them pause, and the process is measured: resident memory,
 * descriptors and handles must stay what they were after the first tenth.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "keycask.h"

#include "../c/temporary.h"

#include <dirent.h>
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define THREADS 4
#define USERS 20000
#define CACHED 500
#define LOOKS 20
#define MORE_FILES (4 * THREADS) /* Descriptors that are no growth: connections kept for later, or waiting to be closed. */
#define SLACK (4L * 1024) /* KiB of memory that are no growth: what SQLite and malloc keep for later. */

static const unsigned char MASTER_KEY[KC_KEY_SIZE] = "0123456789abcdefghijklmnopqrstu";

/* One token a user, each user one thread's. */
static char tokens[USERS][80];

static kc_store *store;
static char path[PATH_MAX + 16];
static pthread_rwlock_t pause_all = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static int stop;
static unsigned long calls, users, openings, errors;
static char first_error[700];

#define ADD(place, n) __atomic_add_fetch(&(place), (n), __ATOMIC_RELAXED)

static int ok(const char *what, kc_status status, const kc_error *why) {
  ADD(calls, 1);
  if (status != KC_OK && ADD(errors, 1) == 1)
    snprintf(first_error, sizeof first_error, "%s: %s", what, why->message);
  return status == KC_OK;
}

static kc_store *open_store(void) {
  kc_options options = KC_OPTIONS_INIT;
  kc_store *opened;
  kc_error why;
  options.cache_users = CACHED;
  options.busy_timeout_ms = 60000;
  return ok("kc_open", kc_open(path, KC_NUL_TERMINATED, MASTER_KEY, sizeof MASTER_KEY, &options, &opened, &why), &why)
      ? opened : NULL;
}

static void encrypt(kc_store *with, int number, const char *user) {
  kc_error why;
  ADD(users, tokens[number][0] == '\0');
  ok("kc_encrypt", kc_encrypt(with, user, KC_NUL_TERMINATED, user, strlen(user), NULL, tokens[number],
                              sizeof tokens[number], NULL, &why), &why);
}

static void decrypt(kc_store *with, int number, const char *user) {
  char plaintext[80];
  size_t length;
  kc_error why;
  if (ok("kc_decrypt", kc_decrypt(with, user, KC_NUL_TERMINATED, tokens[number], KC_NUL_TERMINATED, NULL, plaintext,
                                  sizeof plaintext, &length, &why), &why)
      && (length != strlen(user) || memcmp(plaintext, user, length) != 0)) {
    snprintf(why.message, sizeof why.message, "another plaintext for %s", user);
    ok("kc_decrypt", KC_E_INTERNAL, &why);
  }
}

static void *work(void *number) {
  unsigned pick = (unsigned)(size_t)number;
  kc_error why;
  while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
    char user[32];
    pthread_rwlock_rdlock(&pause_all);
    /* Some users come often, most of them seldom; each thread has its own. */
    int span = rand_r(&pick) % 4 == 0 ? USERS / THREADS : 100;
    int one = rand_r(&pick) % span * THREADS + (int)(size_t)number;
    snprintf(user, sizeof user, "user %d", one);
    switch (rand_r(&pick) % 40) {
      case 0: {
        kc_store *another = open_store();
        ADD(openings, 1);
        encrypt(another, one, user);
        decrypt(another, one, user);
        ok("kc_free", kc_free(another), &why);
        break;
      }
      case 1: {
        kc_key *key;
        char token[80];
        if (tokens[one][0] != '\0'
            && ok("kc_user_key", kc_user_key(store, user, KC_NUL_TERMINATED, NULL, &key, &why), &why)) {
          ok("kc_key_encrypt", kc_key_encrypt(key, user, strlen(user), NULL, token, sizeof token, NULL, &why), &why);
          ok("kc_free", kc_free(key), &why);
        }
        break;
      }
      default:
        if (tokens[one][0] == '\0' || rand_r(&pick) % 2)
          encrypt(store, one, user);
        else
          decrypt(store, one, user);
    }
    pthread_rwlock_unlock(&pause_all);
  }
  return NULL;
}

static long resident(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file == NULL || fscanf(file, "%*d %ld", &pages) != 1)
    abort();
  fclose(file);
  return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static long descriptors(void) {
  long count = 0;
  DIR *folder = opendir("/proc/self/fd");
  if (folder == NULL)
    abort();
  while (readdir(folder) != NULL)
    count++;
  closedir(folder);
  return count - 3; /* `.`, `..`, and the folder's own. */
}

int main(int count, char **arguments) {
  static const struct option OPTIONS[] = { { "seconds", 1, NULL, 's' }, { NULL, 0, NULL, 0 } };
  double seconds = 15;
  int option;
  while ((option = getopt_long(count, arguments, "", OPTIONS, NULL)) != -1)
    if (option == 's')
      seconds = atof(optarg);
    else
      return 2;
  if (make_temporary_folder() != 0)
    return 2;
  snprintf(path, sizeof path, "%s/keys.db", temporary_folder);
  memset(tokens, 1, sizeof tokens); /* Resident from the beginning. */
  memset(tokens, 0, sizeof tokens);

  pthread_t threads[THREADS];
  store = open_store();
  for (size_t i = 0; i < THREADS; i++)
    if (store == NULL || pthread_create(&threads[i], NULL, work, (void *)i) != 0) {
      printf("%s\n", first_error);
      return 2;
    }
  long memory[LOOKS], files[LOOKS];
  size_t handles[LOOKS];
  long most_memory = 0, most_files = 0;
  size_t most_handles = 0;
  for (int i = 0; i < LOOKS; i++) {
    struct timespec time = { (time_t)(seconds / LOOKS), (long)(seconds / LOOKS * 1e9) % 1000000000L };
    nanosleep(&time, NULL);
    pthread_rwlock_wrlock(&pause_all);
    memory[i] = resident();
    files[i] = descriptors();
    handles[i] = kc_handle_count();
    pthread_rwlock_unlock(&pause_all);
    if (i > LOOKS / 10) {
      most_memory = memory[i] > most_memory ? memory[i] : most_memory;
      most_files = files[i] > most_files ? files[i] : most_files;
      most_handles = handles[i] > most_handles ? handles[i] : most_handles;
    }
  }
  stop = 1;
  for (size_t i = 0; i < THREADS; i++)
    pthread_join(threads[i], NULL);
  kc_free(store);

  int tenth = LOOKS / 10 - 1;
  int flat = most_memory <= memory[tenth] + SLACK && most_files <= files[tenth] + MORE_FILES && most_handles <= handles[tenth];
  printf("%.0f s: %lu calls, %lu users, %lu openings; memory %ld KiB after a tenth, at most %ld later; descriptors %ld, at "
         "most %ld; handles %zu, at most %zu, %zu left; %lu errors\n",
         seconds, calls, users, openings, memory[tenth], most_memory, files[tenth], most_files, handles[tenth], most_handles,
         kc_handle_count(), errors);
  if (errors > 0)
    printf("  the first error: %s\n", first_error);
  unlink(path);
  rmdir(temporary_folder);
  return errors > 0 || !flat || kc_handle_count() != 0;
}
