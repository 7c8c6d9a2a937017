/*
 * A program that uses keys and then waits, for core_file.py to take a core file of it. It prints what must not be in that file,
 * each byte inverted, so that it is not there by this program: the master key, a user's, the pool's; and `control`, which must be.
 *
 *     core_file STORE KEY_FILE: KEY_FILE holds the text of the master key
 */

#include "keycask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char SECRET[] = "sk-what-is-kept-for-somebody";
static const unsigned char CONTROL[KC_KEY_SIZE] = "what is found in each core file";

static void must(kc_status status, const kc_error *why) {
  if (status != KC_OK) {
    fprintf(stderr, "%s\n", why->message);
    exit(1);
  }
}

static void print_inverted(const char *name, const unsigned char raw[KC_KEY_SIZE]) {
  printf("%s ", name);
  for (size_t at = 0; at < KC_KEY_SIZE; at++)
    printf("%02x", (unsigned)(unsigned char)~raw[at]);
  printf("\n");
}

static void print_key(const char *name, kc_key *key) {
  unsigned char raw[KC_KEY_SIZE];
  kc_error why;
  must(kc_key_export(key, raw, sizeof raw, NULL, &why), &why);
  print_inverted(name, raw);
  kc_wipe(raw, sizeof raw);
}

int main(int argc, char **argv) {
  char token[128], plaintext[64];
  kc_store *store;
  kc_key *user, *pool;
  kc_error why;
  if (argc != 3 || setenv("API_KEY_MASTER_KEY_FILE", argv[2], 1) != 0)
    return 2;
  must(kc_open(argv[1], KC_NUL_TERMINATED, NULL, KC_FROM_ENVIRONMENT, NULL, &store, &why), &why);
  must(kc_user_key(store, "alice", KC_NUL_TERMINATED, NULL, &user, &why), &why);
  must(kc_pool_key(store, &pool, &why), &why);
  print_key("user", user);
  print_key("pool", pool);
  print_inverted("control", CONTROL);
  must(kc_encrypt(store, "alice", KC_NUL_TERMINATED, SECRET, sizeof SECRET - 1, NULL, token, sizeof token, NULL, &why), &why);
  must(kc_decrypt(store, "alice", KC_NUL_TERMINATED, token, KC_NUL_TERMINATED, NULL, plaintext, sizeof plaintext, NULL, &why),
       &why);
  must(kc_key_decrypt(user, token, KC_NUL_TERMINATED, NULL, plaintext, sizeof plaintext, NULL, &why), &why);
  kc_wipe(plaintext, sizeof plaintext);
  printf("ready\n");
  fflush(stdout);
  getchar();
  kc_free(user);
  kc_free(pool);
  kc_free(store);
  return 0;
}
