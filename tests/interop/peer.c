/* A peer of peers.py in C: peer LOCATION, the master key in API_KEY_MASTER_KEY, each line on standard input a call. */

#include <keycask.h>
#include <stdio.h>
#include <string.h>

enum { ROOM = 4096 };

static void answer(kc_store *store, const char *verb, const char *user, const char *text) {
  char given[ROOM], made[ROOM];
  kc_error error;
  size_t len = 0;
  if (strcmp(verb, "encrypt") == 0) {
    for (unsigned byte; len < sizeof given && sscanf(text + 2 * len, "%2x", &byte) == 1; len++)
      given[len] = (char)byte;
    if (kc_encrypt(store, user, KC_NUL_TERMINATED, given, len, NULL, made, sizeof made, NULL, &error) != KC_OK)
      printf("! %s\n", error.message);
    else
      printf("%s\n", made);
  } else if (kc_decrypt(store, user, KC_NUL_TERMINATED, text, KC_NUL_TERMINATED, NULL, made, sizeof made, &len, &error) != KC_OK) {
    printf("! %s\n", error.message);
  } else {
    for (size_t i = 0; i < len; i++)
      printf("%02x", (unsigned)(unsigned char)made[i]);
    printf("\n");
  }
  fflush(stdout);
}

int main(int count, char **arguments) {
  kc_error error;
  kc_store *store;
  char line[2 * ROOM];
  if (count != 2 || kc_open(arguments[1], KC_NUL_TERMINATED, NULL, KC_FROM_ENVIRONMENT, NULL, &store, &error) != KC_OK) {
    fprintf(stderr, "peer: %s\n", count == 2 ? error.message : "one LOCATION");
    return 1;
  }
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\n")] = '\0';
    char *user = strchr(line, '\t');
    if (user == NULL)
      return 1;
    *user++ = '\0';
    char *text = strchr(user, '\t');
    if (text == NULL)
      return 1;
    *text++ = '\0';
    answer(store, line, user, text);
  }
  return kc_free(store) == KC_OK ? 0 : 1;
}
