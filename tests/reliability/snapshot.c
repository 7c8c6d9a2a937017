/*
 * A process that is snapshotted, and resumed twice.
 *
 *     snapshot [--messages N]
 *
 * A child encrypts, with its store, a user's key, the pool's and an imported one, and makes a new user. Its memory and
 * registers are then put back to what they were before, and it does the same again, knowing nothing of the first time. Opened
 * with KC_OPEN_SNAPSHOTS it must repeat no nonce, though it opened another store without. Without the flag it must repeat
 * some: else the memory was not put back, and nothing is proven. A new user's key is never the same again.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "keycask.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define KINDS 4  /* Of nonces: by the store, a user's key, the pool's key, an imported one. */
#define NONCE 16 /* Characters of base64 that are a token's 12 bytes of nonce. */
#define TRIES 3  /* The kernel seeds its generator anew from time to time, and then nothing is repeated. */
#define MOST_RANGES 1000

static const unsigned char MASTER_KEY[KC_KEY_SIZE] = "0123456789abcdefghijklmnopqrstu";
static const char SECRET[] = "sk-alice-1234", PREFIX[] = "v2:";

static size_t messages = 20;

/* The child ------------------------------------------------------------------------------------------------------- */

static void succeed(kc_status status, const kc_error *why) {
  if (status != KC_OK) {
    fprintf(stderr, "%s\n", why->message);
    _exit(2);
  }
}

static void give(int out, const void *bytes, size_t length) {
  if (write(out, bytes, length) != (ssize_t)length)
    _exit(2);
}

static kc_store *opened(uint32_t flags) {
  kc_options options = KC_OPTIONS_INIT;
  kc_store *store;
  kc_error why;
  options.flags = flags;
  succeed(kc_open(":memory:", KC_NUL_TERMINATED, MASTER_KEY, sizeof MASTER_KEY, &options, &store, &why), &why);
  return store;
}

static void encrypt(kc_store *store, kc_key *const keys[KINDS - 1], int out) {
  char token[80];
  kc_error why;
  for (size_t at = 0; at < messages; at++) {
    succeed(kc_encrypt(store, "alice", 5, SECRET, sizeof SECRET - 1, NULL, token, sizeof token, NULL, &why), &why);
    give(out, token + sizeof PREFIX - 1, NONCE);
    for (int kind = 0; kind < KINDS - 1; kind++) {
      succeed(kc_key_encrypt(keys[kind], SECRET, sizeof SECRET - 1, NULL, token, sizeof token, NULL, &why), &why);
      give(out, token + sizeof PREFIX - 1, NONCE);
    }
  }
}

static void be_snapshotted(uint32_t flags, int out, int nowhere) {
  kc_store *other = opened(0), *store = opened(flags);
  kc_key *keys[KINDS - 1], *made;
  unsigned char raw[KC_KEY_SIZE];
  kc_error why;
  succeed(kc_user_key(other, "alice", 5, NULL, &keys[0], &why), &why);
  succeed(kc_pool_key(other, &keys[1], &why), &why);
  succeed(kc_key_import(MASTER_KEY, sizeof MASTER_KEY, &keys[2], &why), &why);
  encrypt(store, keys, nowhere); /* What is kept ahead is there now. */
  raise(SIGSTOP);
  encrypt(store, keys, out);
  succeed(kc_user_key(store, "bob", 3, NULL, &made, &why), &why);
  succeed(kc_key_export(made, raw, sizeof raw, NULL, &why), &why);
  give(out, raw, sizeof raw);
  raise(SIGSTOP);
  _exit(2);
}

/* Its memory ------------------------------------------------------------------------------------------------------ */

static struct { unsigned long start; size_t length; char *copy; } ranges[MOST_RANGES];
static size_t range_count;

static void fail(const char *what) {
  perror(what);
  exit(2);
}

static void copy_memory(pid_t child, int memory) {
  char name[40], line[4200];
  snprintf(name, sizeof name, "/proc/%d/maps", (int)child);
  FILE *maps = fopen(name, "r");
  if (!maps)
    fail(name);
  range_count = 0;
  while (fgets(line, sizeof line, maps)) {
    unsigned long start, end;
    char rights[5];
    if (sscanf(line, "%lx-%lx %4s", &start, &end, rights) != 3 || rights[1] != 'w' || rights[3] != 'p')
      continue;
    if (range_count == MOST_RANGES)
      fail("more mappings than expected");
    size_t length = end - start;
    char *copy = malloc(length);
    if (!copy || pread(memory, copy, length, (off_t)start) != (ssize_t)length)
      fail(line);
    ranges[range_count].start = start;
    ranges[range_count].length = length;
    ranges[range_count++].copy = copy;
  }
  fclose(maps);
}

static void put_memory_back(int memory) {
  for (size_t at = 0; at < range_count; at++) {
    if (pwrite(memory, ranges[at].copy, ranges[at].length, (off_t)ranges[at].start) != (ssize_t)ranges[at].length)
      fail("writing the child's memory");
    free(ranges[at].copy);
  }
}

static void wait_for_stop(pid_t child) {
  int status;
  if (waitpid(child, &status, 0) != child || !WIFSTOPPED(status) || WSTOPSIG(status) != SIGSTOP) {
    fprintf(stderr, "the child did not stop: status %d\n", status);
    exit(2);
  }
}

static void resume(pid_t child) {
  if (ptrace(PTRACE_CONT, child, NULL, NULL) != 0)
    fail("resuming the child");
}

static void take(int in, char *bytes, size_t length) {
  for (size_t done = 0; done < length;) {
    ssize_t got = read(in, bytes + done, length - done);
    if (got <= 0)
      fail("reading what the child gave");
    done += (size_t)got;
  }
}

/* The figures ----------------------------------------------------------------------------------------------------- */

struct seen { size_t repeated; int same_key; };

/* The child's life from its snapshot, twice. */
static struct seen lived_twice(uint32_t flags) {
  size_t length = messages * KINDS * NONCE;
  char *first = malloc(length), *second = malloc(length), first_key[KC_KEY_SIZE], second_key[KC_KEY_SIZE], name[40];
  struct user_regs_struct registers;
  struct seen seen = { 0, 0 };
  int tokens[2], nowhere = open("/dev/null", O_WRONLY);
  if (!first || !second || nowhere < 0 || pipe(tokens) != 0)
    fail("preparing");
  pid_t child = fork();
  if (child == 0) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0) {
      printf("skipped snapshot: ptrace is not allowed here\n");
      fflush(stdout);
      _exit(77);
    }
    be_snapshotted(flags, tokens[1], nowhere);
  }
  siginfo_t state;
  if (waitid(P_PID, (id_t)child, &state, WEXITED | WSTOPPED | WNOWAIT) != 0)
    fail("waiting");
  if (state.si_code == CLD_EXITED)
    exit(state.si_status);
  wait_for_stop(child);
  snprintf(name, sizeof name, "/proc/%d/mem", (int)child);
  int memory = open(name, O_RDWR);
  if (memory < 0 || ptrace(PTRACE_GETREGS, child, NULL, &registers) != 0)
    fail(name);
  copy_memory(child, memory);
  resume(child);
  take(tokens[0], first, length);
  take(tokens[0], first_key, sizeof first_key);
  wait_for_stop(child);
  put_memory_back(memory);
  if (ptrace(PTRACE_SETREGS, child, NULL, &registers) != 0)
    fail("putting the registers back");
  resume(child);
  take(tokens[0], second, length);
  take(tokens[0], second_key, sizeof second_key);
  wait_for_stop(child);
  kill(child, SIGKILL);
  waitpid(child, NULL, 0);
  for (size_t one = 0; one < messages * KINDS; one++)
    for (size_t other = 0; other < messages * KINDS; other++)
      seen.repeated += memcmp(first + one * NONCE, second + other * NONCE, NONCE) == 0;
  seen.same_key = memcmp(first_key, second_key, sizeof first_key) == 0;
  close(memory), close(nowhere), close(tokens[0]), close(tokens[1]);
  free(first), free(second);
  return seen;
}

int main(int argc, char **argv) {
  const struct option options[] = { { "messages", required_argument, NULL, 'm' }, { NULL, 0, NULL, 0 } };
  for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
    if (option != 'm')
      return 2;
    messages = strtoul(optarg, NULL, 10);
  }
  struct seen plain, flagged = lived_twice(KC_OPEN_SNAPSHOTS);
  int tries = 0;
  do
    plain = lived_twice(0);
  while (plain.repeated == 0 && ++tries < TRIES);
  printf("resumed twice with KC_OPEN_SNAPSHOTS: %zu of %zu nonces repeated; without: %zu; a new user's key was %s\n",
         flagged.repeated, messages * KINDS, plain.repeated, plain.same_key || flagged.same_key ? "THE SAME" : "new");
  if (plain.repeated == 0)
    printf("  without the flag no nonce was repeated: nothing is proven\n");
  return flagged.repeated > 0 || plain.repeated == 0 || plain.same_key || flagged.same_key;
}
