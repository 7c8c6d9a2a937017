/*
 * The library in a sandbox.
 *
 *     sandbox work STORE [CALL...]      everything it does; with these system calls alone, where some are given
 *     sandbox work-wal ...              on a store in WAL mode
 *     sandbox work-without-vdso ...     as on a kernel whose vDSO has no getrandom
 *     sandbox no-locks STORE            where open-file-description locks are refused, as some file systems do
 *
 * Prints what it did; a system call that is not allowed ends it, and is named.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "keycask.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <seccomp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define USERS 50
#define MESSAGES 100 /* More than a batch of nonces. */
#define STR(text) text, KC_NUL_TERMINATED

void *dlvsym(void *handle, const char *symbol, const char *version);
static int without_vdso;

/* The library's look for the vDSO's function comes here. */
void *dlvsym(void *handle, const char *symbol, const char *version) {
  (void)version;
  return without_vdso ? NULL : dlsym(handle, symbol);
}

static const unsigned char MASTER_KEY[KC_KEY_SIZE] = "0123456789abcdefghijklmnopqrstu";
static const char SECRET[] = "sk-alice-1234";
static kc_error why;

static void succeed(const char *what, kc_status status) {
  if (status < 0) {
    fprintf(stderr, "%s: %s\n", what, why.message);
    exit(1);
  }
}

static void name_what_was_refused(int signal_number, siginfo_t *info, void *context) {
  (void)signal_number, (void)context;
  char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, info->si_syscall);
  char text[120];
  int length = snprintf(text, sizeof text, "the system call %s is made, and docs/environment.md does not list it\n",
                        name ? name : "?");
  _exit(write(2, text, (size_t)length) == length ? 1 : 2);
}

static void allow_only(char **calls, int count) {
  struct sigaction action;
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_TRAP);
  memset(&action, 0, sizeof action);
  action.sa_sigaction = name_what_was_refused;
  action.sa_flags = SA_SIGINFO;
  sigaction(SIGSYS, &action, NULL);
  for (int at = 0; at < count; at++) {
    int number = seccomp_syscall_resolve_name(calls[at]);
    if (number == __NR_SCMP_ERROR || seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0) != 0) {
      fprintf(stderr, "no system call is called %s\n", calls[at]);
      exit(2);
    }
  }
  if (seccomp_load(filter) != 0) {
    printf("skipped: filters of system calls are not allowed here\n");
    exit(77);
  }
  seccomp_release(filter);
}

static void encrypt_and_decrypt(kc_store *store, const char *user) {
  char token[80], plaintext[80];
  succeed("kc_encrypt", kc_encrypt(store, STR(user), SECRET, strlen(SECRET), NULL, token, sizeof token, NULL, &why));
  succeed("kc_decrypt", kc_decrypt(store, STR(user), STR(token), NULL, plaintext, sizeof plaintext, NULL, &why));
  if (strcmp(plaintext, SECRET) != 0)
    abort();
  /* A refused token has the store looked at. */
  token[20] = token[20] == 'A' ? 'B' : 'A';
  if (kc_decrypt(store, STR(user), STR(token), NULL, plaintext, sizeof plaintext, NULL, NULL) != KC_E_AUTHENTICATION)
    abort();
}

static void *work_in_a_thread(void *store) {
  char user[20];
  for (int at = 0; at < USERS; at++) {
    snprintf(user, sizeof user, "user %d", at);
    encrypt_and_decrypt((kc_store *)store, user);
  }
  return NULL;
}

/* A new user while another has the right to write: the call waits, and gives up. */
static void wait_for_another(const char *path) {
  const struct { const char *suffix; off_t byte; } rights[] = { { "", 0x40000001 }, { "-shm", 120 } };
  kc_options hasty = KC_OPTIONS_INIT;
  kc_store *store;
  char token[200], file[4096];
  int held[2];
  hasty.busy_timeout_ms = 20;
  succeed("kc_open", kc_open(STR(path), MASTER_KEY, sizeof MASTER_KEY, &hasty, &store, &why));
  for (int at = 0; at < 2; at++) {
    struct flock right = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = rights[at].byte, .l_len = 1 };
    snprintf(file, sizeof file, "%s%s", path, rights[at].suffix);
    held[at] = open(file, O_RDWR | O_CLOEXEC); /* Without a WAL the second is missing. */
    if (held[at] >= 0 && fcntl(held[at], F_OFD_SETLK, &right) != 0)
      abort();
  }
  if (kc_encrypt(store, STR("in vain"), SECRET, strlen(SECRET), NULL, token, sizeof token, NULL, NULL) != KC_E_BUSY)
    abort();
  for (int at = 0; at < 2; at++)
    if (held[at] >= 0)
      close(held[at]);
  kc_free(store);
}

/* A rotation, the loss of a user, a check, a backup; and no locked memory from here on. */
static void operate(const char *path) {
  unsigned char ring[2 * KC_KEY_SIZE] = "another master key of 32 bytes..";
  kc_check_report report = KC_CHECK_REPORT_INIT;
  kc_options unlocked = KC_OPTIONS_INIT;
  kc_store *store;
  uint64_t remaining = 1;
  char copy[4096];
  memcpy(ring + KC_KEY_SIZE, MASTER_KEY, sizeof MASTER_KEY);
  unlocked.flags = KC_OPEN_UNLOCKED;
  succeed("kc_open", kc_open(STR(path), ring, sizeof ring, &unlocked, &store, &why));
  succeed("kc_rotate_user", kc_rotate_user(store, STR("user 2"), &why));
  succeed("kc_erase_user", kc_erase_user(store, STR("user 3"), &why));
  while (remaining > 0)
    succeed("kc_rewrap", kc_rewrap(store, 100, NULL, &remaining, NULL, &why));
  succeed("kc_check", kc_check(store, &report, &why));
  snprintf(copy, sizeof copy, "%s.copy", path);
  succeed("kc_backup", kc_backup(store, STR(copy), &why));
  kc_free(store);
}

static void work(const char *path) {
  kc_options snapshots = KC_OPTIONS_INIT, reading = KC_OPTIONS_INIT;
  kc_store *store, *reader, *careful;
  kc_key *key;
  char text[KC_MASTER_KEY_TEXT_SIZE];
  pthread_t threads[2];
  int status;
  succeed("kc_master_key_generate", kc_master_key_generate(text, sizeof text, NULL, &why));
  succeed("kc_open", kc_open(STR(path), MASTER_KEY, sizeof MASTER_KEY, NULL, &store, &why));
  for (int at = 0; at < 2; at++)
    if (pthread_create(&threads[at], NULL, work_in_a_thread, store) != 0)
      abort();
  for (int at = 0; at < 2; at++)
    pthread_join(threads[at], NULL);
  reading.flags = KC_OPEN_READ_ONLY;
  succeed("kc_open", kc_open(STR(path), MASTER_KEY, sizeof MASTER_KEY, &reading, &reader, &why));
  encrypt_and_decrypt(reader, "user 1");
  pid_t child = fork();
  if (child == 0) {
    encrypt_and_decrypt(store, "of the child");
    _exit(0);
  }
  if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
    fprintf(stderr, "the child failed\n");
    exit(1);
  }
  succeed("kc_user_key", kc_user_key(store, STR("user 1"), NULL, &key, &why));
  succeed("kc_pool_key", kc_pool_key(store, &key, &why));
  snapshots.flags = KC_OPEN_SNAPSHOTS;
  succeed("kc_open", kc_open(STR(path), MASTER_KEY, sizeof MASTER_KEY, &snapshots, &careful, &why));
  for (int at = 0; at < MESSAGES; at++)
    encrypt_and_decrypt(store, "user 2");
  encrypt_and_decrypt(careful, "user 2");
  wait_for_another(path);
  operate(path);
  kc_free(careful);
  kc_free(reader);
  kc_free(store);
  printf("everything was done with the listed system calls\n");
}

static void open_without_locks(const char *path) {
  kc_store *store;
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
  const int commands[] = { F_OFD_SETLK, F_OFD_SETLKW, F_OFD_GETLK };
  for (int at = 0; at < 3; at++)
    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EINVAL), SCMP_SYS(fcntl), 1, SCMP_A1(SCMP_CMP_EQ, (scmp_datum_t)commands[at]));
  if (seccomp_load(filter) != 0) {
    printf("skipped: filters of system calls are not allowed here\n");
    exit(77);
  }
  kc_status status = kc_open(STR(path), MASTER_KEY, sizeof MASTER_KEY, NULL, &store, &why);
  printf("%s, os_error %d: %s\n", status == KC_E_IO ? "KC_E_IO" : kc_status_text(status), why.os_error, why.message);
  if (status != KC_E_IO || why.os_error != EINVAL || !strstr(why.message, "open-file-description locks"))
    exit(1);
}

static void make_store_in_wal_mode(const char *path) {
  kc_store *store;
  sqlite3 *host;
  succeed("kc_open", kc_open(STR(path), MASTER_KEY, sizeof MASTER_KEY, NULL, &store, &why));
  kc_free(store);
  if (sqlite3_open(path, &host) != SQLITE_OK || sqlite3_exec(host, "PRAGMA journal_mode = WAL", NULL, NULL, NULL) != SQLITE_OK)
    abort();
  sqlite3_close(host);
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "no-locks") == 0) {
    open_without_locks(argv[2]);
    return 0;
  }
  if (argc < 3 || strncmp(argv[1], "work", 4) != 0)
    return 2;
  without_vdso = strcmp(argv[1], "work-without-vdso") == 0;
  if (strcmp(argv[1], "work-wal") == 0)
    make_store_in_wal_mode(argv[2]);
  if (argc > 3)
    allow_only(argv + 3, argc - 3);
  work(argv[2]);
  return 0;
}
