/* The smallest program that uses keycask, built in each way that docs/linking.md names. */

#include <keycask.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  kc_error error;
  kc_store *store;
  char token[256], secret[256];
  if (kc_open(":memory:", KC_NUL_TERMINATED, "0123456789abcdefghijklmnopqrstuv", KC_KEY_SIZE, NULL, &store, &error) != KC_OK
      || kc_encrypt(store, "alice", 5, "sk-alice-1234", 13, NULL, token, sizeof token, NULL, &error) != KC_OK
      || kc_decrypt(store, "alice", 5, token, KC_NUL_TERMINATED, NULL, secret, sizeof secret, NULL, &error) != KC_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  kc_free(store);
  return strcmp(secret, "sk-alice-1234") != 0;
}
