#include "check.h"

#include "temporary.h"

#include <dirent.h>
#include <ftw.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define MOST_REPORTS 5
#define SKIPPED 77
#define CANARY 0xa5

kc_error why;

const unsigned char MASTER_KEY[KC_KEY_SIZE] = "0123456789abcdefghijklmnopqrstu";
const unsigned char OTHER_MASTER_KEY[KC_KEY_SIZE] = "the key that opens other stores";

static int passed, failed, skipped;

static struct {
  const char *name;
  char part[64];
  int failures;
  int skipped;
} test;


/* The harness ----------------------------------------------------------------------------------------------------- */

static void give_up(const char *what) {
  perror(what);
  exit(2);
}

/* Counts a failure, and answers whether it is to be told: of a loop's thousands the first will do. */
static int report(const char *file, int line) {
  test.failures++;
  if (test.failures > MOST_REPORTS)
    return 0;
  printf("%s:%d: %s", file, line, test.name);
  if (test.part[0] != '\0')
    printf(" [%s]", test.part);
  printf(": ");
  return 1;
}

static int error_given(void) {
  return !untouched(&why, sizeof why);
}

int says(const char *text) {
  return error_given() && strstr(why.message, text) != NULL;
}

void check_that(int holds, const char *condition, const char *file, int line) {
  if (!holds && report(file, line))
    printf("not so: %s%s%s\n", condition, error_given() ? "; the last error: " : "", error_given() ? why.message : "");
}

void check_forget(void) {
  fill(&why, sizeof why);
}

void check_status(kc_status expected, kc_status found, const char *call, const char *file, int line) {
  if (found != expected && report(file, line)) {
    printf("%d (%s), not %d (%s)", found, kc_status_text(found), expected, kc_status_text(expected));
    printf(", from %s: %s\n", call, error_given() ? why.message : "no message");
  }
  if (!error_given())
    return;
  if (found >= 0 && report(file, line))
    printf("the error was touched by a success of %s\n", call);
  if (found < 0
      && (why.status != found || why.reserved != 0 || why.message[0] == '\0'
          || memchr(why.message, '\0', sizeof why.message) == NULL)
      && report(file, line))
    printf("the error does not fit the status %d of %s\n", found, call);
}

void check_at(const char *part) {
  snprintf(test.part, sizeof test.part, "%s", part);
}

void check_skip(const char *reason) {
  test.skipped = 1;
  printf("skipped: %s: %s\n", test.name, reason);
}

void check_note(const char *what) {
  printf("note: %s: %s\n", test.name, what);
}

int check_slow(void) {
  const char *preloaded = getenv("LD_PRELOAD");
  return getenv("CHECK_SLOW") != NULL || (preloaded != NULL && strstr(preloaded, "vgpreload_") != NULL);
}

int check_in_child(void (*work)(void)) {
  int status = 0;
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    test.failures = 0;
    work();
    fflush(stdout);
    _exit(test.failures > 0 ? 1 : test.skipped ? SKIPPED : 0);
  }
  if (child < 0 || waitpid(child, &status, 0) != child)
    give_up("fork");
  test.skipped = WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED;
  return test.skipped || (WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static int remove_entry(const char *path, const struct stat *found, int type, struct FTW *place) {
  (void)found, (void)type, (void)place;
  return remove(path);
}

void check_run(const char *name, void (*body)(void)) {
  size_t handles = kc_handle_count();

  if (make_temporary_folder() != 0 || chdir(temporary_folder) != 0)
    give_up(temporary_folder);
  unsetenv("API_KEY_MASTER_KEY");
  unsetenv("API_KEY_MASTER_KEY_FILE");

  memset(&test, 0, sizeof test);
  test.name = name;
  check_forget();
  body();
  if (kc_handle_count() != handles && report(__FILE__, __LINE__))
    printf("%zu handles were open before it, and %zu after it\n", handles, kc_handle_count());

  if (chdir("/") != 0 || nftw(temporary_folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
    give_up(temporary_folder);
  if (test.failures > MOST_REPORTS)
    printf("%s: %d checks failed\n", name, test.failures);
  passed += test.failures == 0 && !test.skipped;
  skipped += test.failures == 0 && test.skipped;
  failed += test.failures > 0;
  fflush(stdout);
}

int check_report(void) {
  printf("%d passed, %d failed", passed, failed);
  if (skipped > 0)
    printf(", %d skipped", skipped);
  printf("\n");
  return failed > 0;
}


/* Memory ---------------------------------------------------------------------------------------------------------- */

void fill(void *memory, size_t len) {
  memset(memory, CANARY, len);
}

int untouched(const void *memory, size_t len) {
  const unsigned char *bytes = (const unsigned char *)memory;
  return len == 0 || (bytes[0] == CANARY && memcmp(bytes, bytes + 1, len - 1) == 0);
}

void *allocate(size_t len) {
  void *memory = malloc(len > 0 ? len : 1);
  if (memory == NULL)
    give_up("malloc");
  return memory;
}


/* Stores ---------------------------------------------------------------------------------------------------------- */

kc_store *open_store(const char *location) {
  return open_store_with(location, MASTER_KEY, 1, 0);
}

kc_store *open_store_with(const char *location, const void *master_keys, size_t n, uint32_t flags) {
  kc_store *store = NULL;
  kc_options options = KC_OPTIONS_INIT;
  options.flags = flags;
  CHECK_STATUS(KC_OK, kc_open(location, KC_NUL_TERMINATED, master_keys, n * KC_KEY_SIZE, &options, &store, &why));
  return store;
}

kc_call call_with(uint32_t flags) {
  kc_call call = KC_CALL_INIT;
  call.flags = flags;
  return call;
}

void encrypt(kc_store *store, const char *user, const char *text, char *token, size_t capacity) {
  token[0] = '\0';
  CHECK_STATUS(KC_OK, kc_encrypt(store, user, KC_NUL_TERMINATED, text, strlen(text), NULL,
                                 token, capacity, NULL, &why));
}

int opens(kc_store *store, const char *user, const char *token, const char *text) {
  char found[1024];
  size_t len = 0;
  CHECK_STATUS(KC_OK, kc_decrypt(store, user, KC_NUL_TERMINATED, token, KC_NUL_TERMINATED, NULL,
                                 found, sizeof found, &len, &why));
  return len == strlen(text) && memcmp(found, text, len) == 0;
}

static sqlite3 *open_sqlite(const char *file) {
  sqlite3 *database = NULL;
  CHECK(sqlite3_open_v2(file, &database, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) == SQLITE_OK);
  return database;
}

void sql(const char *file, const char *statements) {
  sqlite3 *database = open_sqlite(file);
  CHECK(sqlite3_exec(database, statements, NULL, NULL, NULL) == SQLITE_OK);
  sqlite3_close(database);
}

long long sql_number(const char *file, const char *query) {
  sqlite3 *database = open_sqlite(file);
  sqlite3_stmt *statement = NULL;
  long long number = -1;
  if (sqlite3_prepare_v2(database, query, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
    number = sqlite3_column_int64(statement, 0);
  sqlite3_finalize(statement);
  sqlite3_close(database);
  return number;
}

unsigned char *read_file(const char *path, size_t *len) {
  FILE *file = fopen(path, "rb");
  struct stat found;
  if (file == NULL || fstat(fileno(file), &found) != 0)
    give_up(path);
  unsigned char *bytes = (unsigned char *)allocate((size_t)found.st_size);
  *len = fread(bytes, 1, (size_t)found.st_size, file);
  fclose(file);
  return bytes;
}

int unchanged(const char *path, const unsigned char *before, size_t len) {
  size_t found_len = 0;
  unsigned char *found = read_file(path, &found_len);
  int same = found_len == len && memcmp(found, before, len) == 0;
  free(found);
  return same;
}

void write_file(const char *path, const void *bytes, size_t len) {
  FILE *file = fopen(path, "wb");
  if (file == NULL || fwrite(bytes, 1, len, file) != len || fclose(file) != 0)
    give_up(path);
}

int count_files(const char *folder) {
  DIR *open = opendir(folder);
  int count = 0;
  if (open == NULL)
    give_up(folder);
  while (readdir(open) != NULL)
    count++;
  closedir(open);
  return count - 2;
}
