/* keycask in a program that has an SQLite of its own and, where SECOND is defined, another Rust library. */

#include <keycask.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#ifdef SECOND
int second_sum(int left, int right);
#endif

static int works(const char *path) {
  kc_error error;
  kc_store *store;
  char token[256], secret[256];
  if (kc_open(path, KC_NUL_TERMINATED, "0123456789abcdefghijklmnopqrstuv", KC_KEY_SIZE, NULL, &store, &error) != KC_OK
      || kc_encrypt(store, "alice", 5, "sk", 2, NULL, token, sizeof token, NULL, &error) != KC_OK
      || kc_decrypt(store, "alice", 5, token, KC_NUL_TERMINATED, NULL, secret, sizeof secret, NULL, &error) != KC_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 0;
  }
  return kc_free(store) == KC_OK && strcmp(secret, "sk") == 0;
}

int main(int argc, char **argv) {
  sqlite3 *host;
  sqlite3_stmt *statement;
  int users = -1;
  if (argc != 2 || !works(argv[1]))
    return 1;
  /* The host's SQLite, of its own version, on the same file. */
  if (strcmp(sqlite3_libversion(), SQLITE_VERSION) != 0 || sqlite3_open(argv[1], &host) != SQLITE_OK
      || sqlite3_prepare_v2(host, "SELECT count(*) FROM encryption_keys", -1, &statement, NULL) != SQLITE_OK
      || sqlite3_step(statement) != SQLITE_ROW)
    return 2;
  users = sqlite3_column_int(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(host);
#ifdef SECOND
  if (second_sum(20, 22) != 42)
    return 3;
#endif
  return users == 1 && works(argv[1]) ? 0 : 4;
}
