/* The store: kc_open and what it makes, finds and refuses; kc_free. */

#include "check.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#define SECRET "sk-alice-0123456789"
#define LONGEST_LOCATION 4096
#define MOST_MASTER_KEYS 16

/* MASTER_KEY as API_KEY_MASTER_KEY holds it. */
#define MASTER_KEY_TEXT "MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dQA="

/* What the Python module makes. */
#define MODULE_TABLE \
  "CREATE TABLE encryption_keys (\nuser_id TEXT PRIMARY KEY,\nencrypted_key BLOB NOT NULL,\ncreated_at TEXT NOT NULL\n)"

static const unsigned char THIRD_MASTER_KEY[KC_KEY_SIZE] = { 3 };

/* What kc_open answers; what it opened is freed again. */
static kc_status opened(const char *location, size_t location_len, const void *keys, size_t keys_len, uint32_t flags) {
  kc_store *store = (kc_store *)(void *)&why; /* any value: it must not stay */
  kc_options options = KC_OPTIONS_INIT;
  options.flags = flags;
  kc_status status = kc_open(location, location_len, keys, keys_len, &options, &store, &why);
  CHECK((store != NULL) == (status == KC_OK));
  kc_free(store);
  return status;
}

static kc_status opened_plainly(const char *location) {
  return opened(location, KC_NUL_TERMINATED, MASTER_KEY, KC_KEY_SIZE, 0);
}

/* A store with alice in it, whose token is `token`. */
static void make_store(const char *location, char token[128]) {
  kc_store *store = open_store(location);
  encrypt(store, "alice", SECRET, token, 128);
  kc_free(store);
}

/* Whether a new user can be made. */
static kc_status creates(kc_store *store, const char *user) {
  char token[256];
  return kc_encrypt(store, user, KC_NUL_TERMINATED, TEXT(SECRET), NULL, token, sizeof token, NULL, &why);
}

static int exists(const char *path) {
  struct stat found;
  return lstat(path, &found) == 0;
}

static mode_t mode_of(const char *path) {
  struct stat found;
  return stat(path, &found) == 0 ? found.st_mode & 07777 : 0;
}

/* Wraps a key as every writer of the format does. A token has the same layout under a user's key as a wrapped key has
   under the master key, so keycask itself wraps it. */
static size_t wrap(const void *master_key, const void *raw, size_t len, unsigned char *wrapped) {
  static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  kc_key *key = NULL;
  char token[256];
  uint32_t bits = 0;
  CHECK_STATUS(KC_OK, kc_key_import(master_key, KC_KEY_SIZE, &key, &why));
  CHECK_STATUS(KC_OK, kc_key_encrypt(key, raw, len, NULL, token, sizeof token, NULL, &why));
  kc_free(key);
  for (size_t i = 0; token[3 + i] != '\0'; i++) {
    const char *found = strchr(alphabet, token[3 + i]);
    bits = bits << 6 | (found != NULL ? (uint32_t)(found - alphabet) : 0);
    if (i % 4 == 3)
      for (size_t byte = 0; byte < 3; byte++)
        wrapped[i / 4 * 3 + byte] = (unsigned char)(bits >> (16 - 8 * byte));
  }
  return len + 28;
}

static void add_row(const char *file, const char *user, const void *blob, size_t len) {
  sqlite3 *database = NULL;
  sqlite3_stmt *insert = NULL;
  CHECK(sqlite3_open(file, &database) == SQLITE_OK);
  CHECK(sqlite3_prepare_v2(database, "INSERT INTO encryption_keys VALUES (?, ?, '2026-11-24T03:58:02.725746+00:00')",
                           -1, &insert, NULL) == SQLITE_OK);
  sqlite3_bind_text(insert, 1, user, -1, SQLITE_STATIC);
  sqlite3_bind_blob(insert, 2, blob, (int)len, SQLITE_STATIC);
  CHECK(sqlite3_step(insert) == SQLITE_DONE);
  sqlite3_finalize(insert);
  sqlite3_close(database);
}

static void add_user(const char *file, const char *user, const void *master_key) {
  static const unsigned char raw[KC_KEY_SIZE] = { 7 };
  unsigned char wrapped[72];
  add_row(file, user, wrapped, wrap(master_key, raw, sizeof raw, wrapped));
}


/* Where a store can be -------------------------------------------------------------------------------------------- */

static void a_store_keeps_its_keys_between_openings(void) {
  char token[128];
  make_store("keys.db", token);
  kc_store *store = open_store("keys.db");
  CHECK(opens(store, "alice", token, SECRET));
  kc_free(store);
}

static void a_missing_store_is_made_with_the_modules_table_alone(void) {
  kc_free(open_store("keys.db"));
  CHECK(sql_number("keys.db", "SELECT count(*) FROM sqlite_schema WHERE sql IS NOT NULL") == 1);
  CHECK(sql_number("keys.db", "SELECT count(*) FROM sqlite_schema WHERE sql = '" MODULE_TABLE "'") == 1);
}

static void the_first_key_makes_keycasks_own_tables(void) {
  char token[128];
  make_store("keys.db", token);
  CHECK(sql_number("keys.db", "SELECT count(*) FROM sqlite_schema WHERE type = 'table'") == 3);
  CHECK(sql_number("keys.db", "SELECT length(value) FROM keycask_meta WHERE name = 'store_id'") == 16);
  CHECK(sql_number("keys.db", "SELECT count(*) FROM keycask_meta"
                              " WHERE value = 0 AND name IN ('must_read', 'must_write')") == 2);
  CHECK(sql_number("keys.db", "SELECT count(*) FROM keycask_master WHERE length(id) = 16 AND state = 'active'") == 1);
  CHECK(sql_number("keys.db", "SELECT count(*) FROM encryption_keys"
                              " WHERE typeof(user_id) = 'text' AND user_id = 'alice' AND typeof(encrypted_key) = 'blob'"
                              " AND length(encrypted_key) = 60"
                              " AND created_at GLOB '[0-9][0-9][0-9][0-9]-[0-1][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:"
                              "[0-5][0-9].[0-9][0-9][0-9][0-9][0-9][0-9]+00:00'") == 1);
}

static void a_store_is_one_file(void) {
  kc_store *store = open_store("sub/keys.db");
  CHECK_STATUS(KC_OK, creates(store, "alice"));
  CHECK(count_files("sub") == 1);
  kc_free(store);
  CHECK(count_files("sub") == 1);
}

static void file_and_folders_are_their_owners_alone_whatever_the_umask(void) {
  static const mode_t masks[] = { 0, 0022, 0077 };
  char path[64];
  for (int i = 0; i < 3; i++) {
    mode_t before = umask(masks[i]);
    snprintf(path, sizeof path, "%d/deep/keys.db", i);
    CHECK_STATUS(KC_OK, opened_plainly(path));
    CHECK(mode_of(path) == 0600);
    snprintf(path, sizeof path, "%d/deep", i);
    CHECK(mode_of(path) == 0700);
    snprintf(path, sizeof path, "%d", i);
    CHECK(mode_of(path) == 0700);
    umask(before);
  }
  mode_t before = umask(0777);
  CHECK_STATUS(KC_OK, opened_plainly("keys.db"));
  CHECK(mode_of("keys.db") == 0600);
  umask(before);
}

static void a_store_in_memory_is_each_openings_own(void) {
  kc_store *one = open_store(":memory:"), *two = open_store(":memory:");
  kc_call existing = call_with(KC_EXISTING);
  char token[128];
  encrypt(one, "alice", SECRET, token, sizeof token);
  CHECK_STATUS(KC_E_UNKNOWN_USER, kc_encrypt(two, TEXT("alice"), TEXT(SECRET), &existing,
                                             token, sizeof token, NULL, &why));
  CHECK(count_files(".") == 0);
  kc_free(one);
  kc_free(two);
  CHECK_STATUS(KC_E_NOT_FOUND, opened(TEXT(":memory:"), MASTER_KEY, KC_KEY_SIZE, KC_OPEN_MUST_EXIST));
}

static void a_location_may_end_at_its_length_or_its_nul(void) {
  CHECK_STATUS(KC_OK, opened("keys.db and more", 7, MASTER_KEY, KC_KEY_SIZE, KC_OPEN_SNAPSHOTS));
  CHECK_STATUS(KC_OK, opened("keys.db", KC_NUL_TERMINATED, MASTER_KEY, KC_KEY_SIZE, KC_OPEN_MUST_EXIST));
}

static void a_location_is_taken_literally(void) {
  static const char *const names[] = { "with spaces.db", "\xd0\xba\xd0\xbb\xd1\x8e\xd1\x87\xd0\xb8 \xf0\x9f\x94\x91",
                                       "a:b.db", "1a:", "keys.db?mode=ro", "%6b.db", "#fragment", "'quoted' \"twice\"",
                                       "-dash", ":memory", "line\nbreak" };
  int count = sizeof names / sizeof names[0];
  char token[128];
  for (int i = 0; i < count; i++) {
    check_at(names[i]);
    make_store(names[i], token);
    CHECK(exists(names[i]));
  }
  CHECK(count_files(".") == count);
}

static void a_relative_location_is_made_absolute_when_it_is_opened(void) {
  CHECK(mkdir("elsewhere", 0700) == 0);
  kc_store *store = open_store("./sub/../keys.db"), *second;
  char token[128];
  CHECK(chdir("elsewhere") == 0);
  encrypt(store, "alice", SECRET, token, sizeof token);
  second = open_store_with("../keys.db", MASTER_KEY, 1, KC_OPEN_MUST_EXIST);
  CHECK(opens(second, "alice", token, SECRET));
  CHECK(count_files(".") == 0);
  kc_free(store);
  kc_free(second);
}

static void symbolic_links_are_followed_once(void) {
  char token[128];
  make_store("one.db", token);
  make_store("two.db", token); /* another alice */
  CHECK(mkdir("folder", 0700) == 0);
  CHECK(symlink("../one.db", "folder/link.db") == 0);
  CHECK(symlink("folder/link.db", "link.db") == 0);

  kc_store *store = open_store_with("link.db", MASTER_KEY, 1, KC_OPEN_MUST_EXIST);
  CHECK(unlink("folder/link.db") == 0 && symlink("../two.db", "folder/link.db") == 0);
  CHECK_STATUS(KC_OK, creates(store, "bob"));
  CHECK(sql_number("one.db", "SELECT count(*) FROM encryption_keys") == 2);
  CHECK(sql_number("two.db", "SELECT count(*) FROM encryption_keys") == 1);
  kc_free(store);
}

static void a_dangling_link_leads_to_the_store_that_is_made(void) {
  CHECK(symlink("target/keys.db", "link.db") == 0);
  CHECK_STATUS(KC_E_NOT_FOUND, opened(TEXT("link.db"), MASTER_KEY, KC_KEY_SIZE, KC_OPEN_MUST_EXIST));
  CHECK(!exists("target"));
  CHECK_STATUS(KC_OK, opened_plainly("link.db"));
  CHECK(mode_of("target/keys.db") == 0600 && mode_of("target") == 0700);
}

static void links_in_a_ring_are_refused(void) {
  CHECK(symlink("two.db", "one.db") == 0 && symlink("one.db", "two.db") == 0);
  CHECK_STATUS(KC_E_IO, opened_plainly("one.db"));
  CHECK(why.os_error == ELOOP);
}

static void an_empty_file_becomes_a_store(void) {
  char token[128];
  write_file("keys.db", "", 0);
  CHECK_STATUS(KC_E_READ_ONLY, opened(TEXT("keys.db"), MASTER_KEY, KC_KEY_SIZE, KC_OPEN_READ_ONLY));
  make_store("keys.db", token);
  CHECK(sql_number("keys.db", "SELECT count(*) FROM encryption_keys") == 1);
}

static void an_empty_database_becomes_a_store(void) {
  sql("keys.db", "CREATE TABLE t(x); DROP TABLE t;");
  CHECK_STATUS(KC_OK, opened_plainly("keys.db"));
}

/* A location below the working directory whose absolute path has `len` bytes. */
static void location_of_absolute_len(char *location, size_t len) {
  char here[512];
  CHECK(getcwd(here, sizeof here) != NULL && strlen(here) + 60 < len);
  size_t left = len - strlen(here) - 1;
  for (size_t at = 0; at < left; at++)
    location[at] = at % 40 == 39 && at + 1 < left ? '/' : 'x';
  location[left] = '\0';
}

static void a_path_of_504_bytes_is_the_longest(void) {
  char location[2048], token[128];
  location_of_absolute_len(location, 505);
  CHECK_STATUS(KC_E_LIMIT, opened(location, KC_NUL_TERMINATED, MASTER_KEY, KC_KEY_SIZE, 0));
  CHECK(count_files(".") == 0);
  location_of_absolute_len(location, 504);
  make_store(location, token);
  kc_store *store = open_store_with(location, MASTER_KEY, 1, KC_OPEN_MUST_EXIST);
  CHECK(opens(store, "alice", token, SECRET));
  kc_free(store);
}


/* Locations that are refused -------------------------------------------------------------------------------------- */

static void a_location_is_text_without_a_nul(void) {
  CHECK_STATUS(KC_E_ARGUMENT, opened(TEXT(""), MASTER_KEY, KC_KEY_SIZE, 0));
  CHECK_STATUS(KC_E_ARGUMENT, opened("", KC_NUL_TERMINATED, MASTER_KEY, KC_KEY_SIZE, 0));
  CHECK_STATUS(KC_E_ARGUMENT, opened(NULL, 0, MASTER_KEY, KC_KEY_SIZE, 0));
  CHECK_STATUS(KC_E_ARGUMENT, opened(NULL, 7, MASTER_KEY, KC_KEY_SIZE, 0));
  CHECK_STATUS(KC_E_ARGUMENT, opened(NULL, KC_NUL_TERMINATED, MASTER_KEY, KC_KEY_SIZE, 0));
  CHECK_STATUS(KC_E_ARGUMENT, opened(TEXT("keys.db\0"), MASTER_KEY, KC_KEY_SIZE, 0));
  CHECK_STATUS(KC_E_ARGUMENT, opened(TEXT("keys\0.db"), MASTER_KEY, KC_KEY_SIZE, 0));
  CHECK_STATUS(KC_E_ARGUMENT, opened(TEXT("key\xff.db"), MASTER_KEY, KC_KEY_SIZE, 0));
  CHECK_STATUS(KC_E_ARGUMENT, opened("keys.db", TOO_LONG, MASTER_KEY, KC_KEY_SIZE, 0));
  CHECK_STATUS(KC_E_ARGUMENT, opened("keys.db", SIZE_MAX - 1, MASTER_KEY, KC_KEY_SIZE, 0));
  CHECK(count_files(".") == 0);
}

static void a_location_has_at_most_4096_bytes(void) {
  char location[LONGEST_LOCATION + 2];
  for (size_t at = 0; at < sizeof location; at++)
    location[at] = at % 2 == 0 ? '.' : '/';
  memcpy(location + LONGEST_LOCATION - 4, "a.db!", 5);
  CHECK_STATUS(KC_E_LIMIT, opened(location, LONGEST_LOCATION + 1, MASTER_KEY, KC_KEY_SIZE, 0));
  CHECK(count_files(".") == 0);
  CHECK_STATUS(KC_OK, opened(location, LONGEST_LOCATION, MASTER_KEY, KC_KEY_SIZE, 0));
}

static void a_url_is_not_taken_for_a_file(void) {
  static const char *const urls[] = { "postgres://user:hunter2@host/keys", "redis://:hunter2@host", "http://host/x",
                                      "sqlite:///keys.db", "file:keys.db", "file:///keys.db", "FILE:keys.db?mode=rw" };
  for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
    CHECK_STATUS(KC_E_UNSUPPORTED, opened_plainly(urls[i]));
    CHECK(!says("hunter2"));
  }
  CHECK(count_files(".") == 0);
}

static void a_directory_is_refused(void) {
  CHECK(mkdir("folder", 0700) == 0);
  CHECK_STATUS(KC_E_IO, opened_plainly("folder"));
  CHECK(why.os_error == EISDIR);
  CHECK_STATUS(KC_E_IO, opened_plainly("folder/"));
  CHECK_STATUS(KC_E_IO, opened_plainly("."));
  CHECK_STATUS(KC_E_IO, opened_plainly(".."));
  CHECK_STATUS(KC_E_IO, opened_plainly("/"));
  CHECK_STATUS(KC_E_IO, opened_plainly("missing/"));
  CHECK(count_files(".") == 1 && count_files("folder") == 0);
}

static void a_file_where_a_folder_belongs_is_refused(void) {
  write_file("file", "text", 4);
  CHECK_STATUS(KC_E_IO, opened_plainly("file/keys.db"));
  CHECK(why.os_error == ENOTDIR);
  CHECK_STATUS(KC_E_IO, opened_plainly("file/sub/keys.db"));
  CHECK(unchanged("file", (const unsigned char *)"text", 4));
}

static void fifos_sockets_and_devices_are_refused_and_not_waited_for(void) {
  int endpoint = socket(AF_UNIX, SOCK_STREAM, 0);
  struct sockaddr_un address;
  memset(&address, 0, sizeof address);
  address.sun_family = AF_UNIX;
  memcpy(address.sun_path, "socket", 7);
  CHECK(bind(endpoint, (const struct sockaddr *)(const void *)&address, sizeof address) == 0);
  CHECK(mkfifo("fifo", 0600) == 0);
  CHECK_STATUS(KC_E_UNSUPPORTED, opened_plainly("fifo"));
  CHECK_STATUS(KC_E_UNSUPPORTED, opened(TEXT("fifo"), MASTER_KEY, KC_KEY_SIZE, KC_OPEN_READ_ONLY));
  CHECK_STATUS(KC_E_UNSUPPORTED, opened_plainly("socket"));
  CHECK_STATUS(KC_E_UNSUPPORTED, opened_plainly("/dev/null"));
  close(endpoint);
}

static void a_file_that_is_no_database_is_refused_and_left_alone(void) {
  static unsigned char text[5000];
  memset(text, 't', sizeof text);
  write_file("keys.db", text, sizeof text);
  CHECK_STATUS(KC_E_CORRUPT, opened_plainly("keys.db"));
  CHECK(why.engine_error == SQLITE_NOTADB);
  CHECK(unchanged("keys.db", text, sizeof text));
  write_file("short.db", "short", 5);
  CHECK_STATUS(KC_E_CORRUPT, opened_plainly("short.db"));
  CHECK(unchanged("short.db", (const unsigned char *)"short", 5));
}

static void a_database_of_something_else_is_refused_and_left_alone(void) {
  static const char *const others[] = {
    "CREATE TABLE songs(title TEXT)",
    "CREATE VIEW encryption_keys AS SELECT 'alice' AS user_id, x'00' AS encrypted_key, '' AS created_at",
    "CREATE TABLE encryption_keys(user_id TEXT PRIMARY KEY, encrypted_key BLOB NOT NULL)",
    "CREATE TABLE encryption_keys(user_id TEXT PRIMARY KEY, encrypted_key BLOB NOT NULL, created_at TEXT NOT NULL, x)",
    "CREATE TABLE encryption_keys(user_id INTEGER PRIMARY KEY, encrypted_key BLOB NOT NULL, created_at TEXT NOT NULL)",
    "CREATE TABLE encryption_keys(user_id TEXT, encrypted_key BLOB NOT NULL, created_at TEXT NOT NULL)",
    ("CREATE TABLE encryption_keys(user_id TEXT COLLATE NOCASE PRIMARY KEY, encrypted_key BLOB NOT NULL, "
     "created_at TEXT NOT NULL)"),
    "CREATE TABLE encryption_keys(user TEXT PRIMARY KEY, encrypted_key BLOB NOT NULL, created_at TEXT NOT NULL)",
  };
  for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
    size_t len = 0;
    check_at(others[i]);
    sql("keys.db", others[i]);
    unsigned char *before = read_file("keys.db", &len);
    CHECK_STATUS(KC_E_UNSUPPORTED, opened_plainly("keys.db"));
    CHECK_STATUS(KC_E_UNSUPPORTED, opened(TEXT("keys.db"), MASTER_KEY, KC_KEY_SIZE, KC_OPEN_READ_ONLY));
    CHECK(unchanged("keys.db", before, len));
    free(before);
    CHECK(unlink("keys.db") == 0);
  }
}

static void a_missing_store_is_not_made_where_it_must_exist(void) {
  CHECK_STATUS(KC_E_NOT_FOUND, opened(TEXT("sub/keys.db"), MASTER_KEY, KC_KEY_SIZE, KC_OPEN_MUST_EXIST));
  CHECK_STATUS(KC_E_NOT_FOUND, opened(TEXT("keys.db"), MASTER_KEY, KC_KEY_SIZE, KC_OPEN_MUST_EXIST));
  CHECK_STATUS(KC_E_NOT_FOUND, opened(TEXT("keys.db"), MASTER_KEY, KC_KEY_SIZE, KC_OPEN_READ_ONLY));
  CHECK(count_files(".") == 0);
}


/* The other arguments --------------------------------------------------------------------------------------------- */

static void a_handle_needs_a_place_of_its_own(void) {
  unsigned char memory[128];
  kc_options plain = KC_OPTIONS_INIT, *options = (kc_options *)(void *)(memory + 64);
  CHECK_STATUS(KC_E_ARGUMENT, kc_open(TEXT("keys.db"), MASTER_KEY, KC_KEY_SIZE, NULL, NULL, &why));

  memcpy(memory, MASTER_KEY, KC_KEY_SIZE);
  memcpy(memory + 64, &plain, sizeof plain);
  CHECK_STATUS(KC_E_ARGUMENT, kc_open(TEXT("keys.db"), memory, KC_KEY_SIZE, NULL,
                                      (kc_store **)(void *)(memory + 31), &why));
  CHECK_STATUS(KC_E_ARGUMENT, kc_open(TEXT("keys.db"), MASTER_KEY, KC_KEY_SIZE, options,
                                      (kc_store **)(void *)(memory + 72), &why));
  memcpy(memory, "keys.db", 8);
  CHECK_STATUS(KC_E_ARGUMENT, kc_open((const char *)memory, 7, MASTER_KEY, KC_KEY_SIZE, NULL,
                                      (kc_store **)(void *)(memory + 6), &why));
  CHECK(count_files(".") == 0);
}

static void handles_and_options_need_no_alignment(void) {
  unsigned char memory[64];
  kc_options plain = KC_OPTIONS_INIT;
  kc_store *store = NULL;
  memcpy(memory + 33, &plain, sizeof plain);
  CHECK_STATUS(KC_OK, kc_open(TEXT(":memory:"), MASTER_KEY, KC_KEY_SIZE, (kc_options *)(void *)(memory + 33),
                              (kc_store **)(void *)(memory + 1), &why));
  memcpy(&store, memory + 1, sizeof store);
  CHECK_STATUS(KC_OK, creates(store, "alice"));
  CHECK_STATUS(KC_OK, kc_free(store));
}

static kc_status opened_with(const void *options) {
  kc_store *store = NULL;
  kc_status status = kc_open(TEXT(":memory:"), MASTER_KEY, KC_KEY_SIZE, (const kc_options *)options, &store, &why);
  CHECK((store != NULL) == (status == KC_OK));
  kc_free(store);
  return status;
}

static void a_kc_options_grows_at_its_end_alone(void) {
  uint32_t words[1100] = { 0 };
  CHECK_STATUS(KC_OK, opened_with(NULL));
  for (words[0] = 0; words[0] < sizeof(kc_options); words[0]++)
    CHECK_STATUS(KC_E_ARGUMENT, opened_with(words));
  for (; words[0] <= 4096; words[0] += 255)
    CHECK_STATUS(KC_OK, opened_with(words));
  words[0] = 4097;
  CHECK_STATUS(KC_E_UNSUPPORTED, opened_with(words));
  ((unsigned char *)words)[sizeof(kc_options) + 10] = 1;
  words[0] = sizeof(kc_options) + 10;
  CHECK_STATUS(KC_OK, opened_with(words));
  words[0] = sizeof(kc_options) + 11;
  CHECK_STATUS(KC_E_UNSUPPORTED, opened_with(words));
}

static void unknown_flags_are_refused(void) {
  kc_options options = KC_OPTIONS_INIT;
  for (int bit = 4; bit < 32; bit++) {
    options.flags = (uint32_t)1 << bit;
    CHECK_STATUS(KC_E_UNSUPPORTED, opened_with(&options));
  }
  options.flags = KC_OPEN_SNAPSHOTS | KC_OPEN_UNLOCKED;
  CHECK_STATUS(KC_OK, opened_with(&options));
}

static void as_many_users_are_cached_as_asked_for(void) {
  static const struct { uint32_t cache_users; int cached; } cases[] = { { KC_NONE, 0 }, { 1, 1 }, { 2, 2 }, { 0, 3 } };
  static const char *const users[] = { "alice", "bob", "carol" };
  kc_call cached_only = call_with(KC_CACHED_ONLY);
  char token[128];
  for (int i = 0; i < 4; i++) {
    kc_options options = KC_OPTIONS_INIT;
    kc_store *store = NULL;
    int cached = 0;
    options.cache_users = cases[i].cache_users;
    CHECK_STATUS(KC_OK, kc_open(TEXT(":memory:"), MASTER_KEY, KC_KEY_SIZE, &options, &store, &why));
    for (int user = 0; user < 3; user++)
      CHECK_STATUS(KC_OK, creates(store, users[user]));
    for (int user = 0; user < 3; user++)
      cached += kc_encrypt(store, users[user], KC_NUL_TERMINATED, TEXT(SECRET), &cached_only,
                           token, sizeof token, NULL, NULL) == KC_OK;
    CHECK(cached == cases[i].cached);
    kc_free(store);
  }
}


/* Master keys ----------------------------------------------------------------------------------------------------- */

static void master_keys_are_1_to_16_keys_of_32_bytes(void) {
  unsigned char keys[(MOST_MASTER_KEYS + 1) * KC_KEY_SIZE];
  for (size_t i = 0; i < sizeof keys; i++)
    keys[i] = (unsigned char)(i / KC_KEY_SIZE);
  for (size_t n = 1; n <= MOST_MASTER_KEYS; n++)
    CHECK_STATUS(KC_OK, opened(TEXT("keys.db"), keys, n * KC_KEY_SIZE, 0));
  CHECK_STATUS(KC_E_LIMIT, opened(TEXT("keys.db"), keys, sizeof keys, 0));
  for (size_t n = 1; n < 2 * KC_KEY_SIZE; n++)
    CHECK_STATUS(n == KC_KEY_SIZE ? KC_OK : KC_E_MASTER_KEY_INVALID, opened(TEXT("keys.db"), keys, n, 0));
  CHECK_STATUS(KC_E_MASTER_KEY_MISSING, opened(TEXT("keys.db"), NULL, 0, 0));
  CHECK_STATUS(KC_E_MASTER_KEY_MISSING, opened(TEXT("keys.db"), keys, 0, 0));
  CHECK_STATUS(KC_E_ARGUMENT, opened(TEXT("keys.db"), NULL, KC_KEY_SIZE, 0));
  CHECK_STATUS(KC_E_ARGUMENT, opened(TEXT("keys.db"), keys, TOO_LONG, 0));
  CHECK_STATUS(KC_E_ARGUMENT, opened(TEXT("keys.db"), keys, SIZE_MAX - 1, 0));
  CHECK_STATUS(KC_E_ARGUMENT, opened(TEXT("keys.db"), keys, KC_FROM_ENVIRONMENT, 0));
}

static void a_bad_master_key_makes_no_store(void) {
  CHECK_STATUS(KC_E_MASTER_KEY_MISSING, opened(TEXT("keys.db"), NULL, 0, 0));
  CHECK_STATUS(KC_E_MASTER_KEY_MISSING, opened(TEXT("keys.db"), NULL, KC_FROM_ENVIRONMENT, 0));
  CHECK_STATUS(KC_E_MASTER_KEY_INVALID, opened(TEXT("keys.db"), MASTER_KEY, 31, 0));
  CHECK(count_files(".") == 0);
}

/* Opens what was filled under MASTER_KEY, so that another key would be refused. */
static kc_status opened_from_environment(void) {
  return opened(TEXT("keys.db"), NULL, KC_FROM_ENVIRONMENT, KC_OPEN_MUST_EXIST);
}

static void the_environment_holds_the_master_key(void) {
  static const struct { const char *value; kc_status expected; } cases[] = {
    { MASTER_KEY_TEXT, KC_OK },
    { "  " MASTER_KEY_TEXT "\n", KC_OK },
    { "\"" MASTER_KEY_TEXT "\"", KC_OK },
    { "'" MASTER_KEY_TEXT "'", KC_OK },
    { MASTER_KEY_TEXT " # a comment", KC_OK },
    { "dGhlIGtleSB0aGF0IG9wZW5zIG90aGVyIHN0b3JlcwA=", KC_E_MASTER_KEY_WRONG },
    { "", KC_E_MASTER_KEY_MISSING },
    { " \t\r\n", KC_E_MASTER_KEY_MISSING },
    { "\xc2\xa0", KC_E_MASTER_KEY_MISSING },
    { "hunter2", KC_E_MASTER_KEY_INVALID },
    { "MDEyMzQ1Njc4OWFiY2RlZg==", KC_E_MASTER_KEY_INVALID },
    { "\xff\xfe", KC_E_MASTER_KEY_INVALID },
  };
  char token[128];
  make_store("keys.db", token);
  CHECK_STATUS(KC_E_MASTER_KEY_MISSING, opened_from_environment());
  CHECK(says("API_KEY_MASTER_KEY"));
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    check_at(cases[i].value);
    setenv("API_KEY_MASTER_KEY", cases[i].value, 1);
    CHECK_STATUS(cases[i].expected, opened_from_environment());
    CHECK(!says("hunter2"));
  }
}

static void the_environment_names_the_master_keys_file(void) {
  static const char *const blanks[] = { "", "\n", " \t\r\n" };
  static char long_text[(64 << 10) + 1];
  char token[128];
  make_store("keys.db", token);
  setenv("API_KEY_MASTER_KEY_FILE", "key.txt", 1);
  CHECK_STATUS(KC_E_IO, opened_from_environment());
  CHECK(why.os_error == ENOENT && says("key.txt"));

  write_file("key.txt", TEXT(MASTER_KEY_TEXT "\n"));
  CHECK_STATUS(KC_OK, opened_from_environment());
  write_file("key.txt", TEXT("\"" MASTER_KEY_TEXT "\"\r\n"));
  CHECK_STATUS(KC_OK, opened_from_environment());
  for (int i = 0; i < 3; i++) {
    setenv("API_KEY_MASTER_KEY", blanks[i], 1); /* blank is as good as unset */
    CHECK_STATUS(KC_OK, opened_from_environment());
  }
  unsetenv("API_KEY_MASTER_KEY");
  for (int i = 0; i < 3; i++) {
    write_file("key.txt", blanks[i], strlen(blanks[i]));
    CHECK_STATUS(KC_E_MASTER_KEY_INVALID, opened_from_environment());
  }
  write_file("key.txt", TEXT("hunter2"));
  CHECK_STATUS(KC_E_MASTER_KEY_INVALID, opened_from_environment());
  CHECK(says("key.txt") && !says("hunter2"));
  memset(long_text, ' ', sizeof long_text);
  memcpy(long_text, MASTER_KEY_TEXT, strlen(MASTER_KEY_TEXT));
  write_file("key.txt", long_text, sizeof long_text);
  CHECK_STATUS(KC_E_MASTER_KEY_INVALID, opened_from_environment());

  setenv("API_KEY_MASTER_KEY_FILE", ".", 1);
  CHECK_STATUS(KC_E_IO, opened_from_environment());
  CHECK(why.os_error == EISDIR);
  for (int i = 0; i < 3; i++) {
    setenv("API_KEY_MASTER_KEY_FILE", blanks[i], 1);
    CHECK_STATUS(KC_E_MASTER_KEY_MISSING, opened_from_environment());
  }
}

static void the_variable_comes_before_the_file(void) {
  char token[128];
  make_store("keys.db", token);
  setenv("API_KEY_MASTER_KEY", MASTER_KEY_TEXT, 1);
  setenv("API_KEY_MASTER_KEY_FILE", "missing.txt", 1);
  CHECK_STATUS(KC_OK, opened_from_environment());
  write_file("key.txt", TEXT(MASTER_KEY_TEXT));
  setenv("API_KEY_MASTER_KEY", "no key", 1);
  setenv("API_KEY_MASTER_KEY_FILE", "key.txt", 1);
  CHECK_STATUS(KC_E_MASTER_KEY_INVALID, opened_from_environment());
}

static void the_environment_is_read_only_when_asked_for(void) {
  char token[128];
  make_store("keys.db", token);
  setenv("API_KEY_MASTER_KEY", "no key", 1);
  CHECK_STATUS(KC_OK, opened_plainly("keys.db"));
  setenv("API_KEY_MASTER_KEY", MASTER_KEY_TEXT, 1);
  CHECK_STATUS(KC_E_MASTER_KEY_MISSING, opened(TEXT("keys.db"), NULL, 0, 0));
}

static void the_wrong_master_key_is_refused_and_changes_nothing(void) {
  char token[128];
  size_t len = 0;
  make_store("keys.db", token);
  for (int registered = 1; registered >= 0; registered--) {
    if (!registered)
      sql("keys.db", "DROP TABLE keycask_master; DROP TABLE keycask_meta");
    unsigned char *before = read_file("keys.db", &len);
    CHECK_STATUS(KC_E_MASTER_KEY_WRONG, opened(TEXT("keys.db"), OTHER_MASTER_KEY, KC_KEY_SIZE, 0));
    CHECK_STATUS(KC_E_MASTER_KEY_WRONG, opened(TEXT("keys.db"), OTHER_MASTER_KEY, KC_KEY_SIZE, KC_OPEN_READ_ONLY));
    CHECK(unchanged("keys.db", before, len) && count_files(".") == 1);
    CHECK_STATUS(KC_OK, opened_plainly("keys.db"));
    CHECK(unchanged("keys.db", before, len) && count_files(".") == 1);
    free(before);
  }
}

static void an_unregistered_master_key_opens_one_of_the_first_1000_rows(void) {
  sql("keys.db", MODULE_TABLE);
  sql("keys.db", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999)"
                 " INSERT INTO encryption_keys SELECT 'user ' || i, zeroblob(60), '' FROM n");
  CHECK_STATUS(KC_E_MASTER_KEY_WRONG, opened_plainly("keys.db"));
  add_user("keys.db", "the 1000th", MASTER_KEY);
  CHECK_STATUS(KC_OK, opened_plainly("keys.db"));
  sql("keys.db", "DELETE FROM encryption_keys WHERE user_id = 'the 1000th';"
                 " INSERT INTO encryption_keys VALUES ('another', zeroblob(60), '')");
  add_user("keys.db", "the 1001st", MASTER_KEY);
  CHECK_STATUS(KC_E_MASTER_KEY_WRONG, opened_plainly("keys.db"));
}

static void two_master_keys_never_fill_one_new_store(void) {
  kc_store *one = open_store("keys.db"), *two = open_store_with("keys.db", OTHER_MASTER_KEY, 1, 0);
  size_t len = 0;
  CHECK_STATUS(KC_OK, creates(one, "alice"));
  unsigned char *before = read_file("keys.db", &len);
  CHECK_STATUS(KC_E_MASTER_KEY_WRONG, creates(two, "bob"));
  CHECK_STATUS(KC_E_MASTER_KEY_WRONG, creates(two, "alice"));
  CHECK(unchanged("keys.db", before, len));
  free(before);
  CHECK_STATUS(KC_OK, creates(one, "bob"));
  kc_free(one);
  kc_free(two);
}

/* Two master keys as one ring. */
static const unsigned char *ring(const void *first, const void *second) {
  static unsigned char keys[2 * KC_KEY_SIZE];
  memcpy(keys, first, KC_KEY_SIZE);
  memcpy(keys + KC_KEY_SIZE, second, KC_KEY_SIZE);
  return keys;
}

static kc_status opened_under(const unsigned char *keys, size_t n) {
  return opened(TEXT("keys.db"), keys, n * KC_KEY_SIZE, 0);
}

static long long active_master_keys(void) {
  return sql_number("keys.db", "SELECT count(*) FROM keycask_master WHERE state = 'active'");
}

/* A store with alice under MASTER_KEY and bob under OTHER_MASTER_KEY, both active. */
static void make_store_of_two(char alice[128], char bob[128]) {
  make_store("keys.db", alice);
  kc_store *store = open_store_with("keys.db", ring(OTHER_MASTER_KEY, MASTER_KEY), 2, 0);
  encrypt(store, "bob", SECRET, bob, 128);
  kc_free(store);
}

static void a_master_key_is_registered_beside_an_active_one_when_it_first_creates(void) {
  char alice[128], token[128];
  make_store("keys.db", alice);
  CHECK_STATUS(KC_E_MASTER_KEY_WRONG, opened_under(OTHER_MASTER_KEY, 1));
  CHECK_STATUS(KC_E_MASTER_KEY_WRONG, opened_under(ring(OTHER_MASTER_KEY, THIRD_MASTER_KEY), 2));

  kc_store *store = open_store_with("keys.db", ring(OTHER_MASTER_KEY, MASTER_KEY), 2, 0);
  CHECK(opens(store, "alice", alice, SECRET));
  encrypt(store, "alice", SECRET, token, sizeof token);
  CHECK(active_master_keys() == 1); /* nothing has been made under it yet */
  CHECK_STATUS(KC_OK, creates(store, "bob"));
  CHECK(active_master_keys() == 2);
  kc_free(store);
  CHECK_STATUS(KC_OK, opened_under(OTHER_MASTER_KEY, 1));
}

static void a_ring_opens_keys_under_each_and_creates_under_the_first(void) {
  char alice[128], bob[128], token[128];
  make_store_of_two(alice, bob);
  for (int first = 0; first < 2; first++) {
    kc_store *store = open_store_with("keys.db", first == 0 ? ring(MASTER_KEY, OTHER_MASTER_KEY)
                                                            : ring(OTHER_MASTER_KEY, MASTER_KEY), 2, 0);
    CHECK(opens(store, "alice", alice, SECRET));
    CHECK(opens(store, "bob", bob, SECRET));
    encrypt(store, first == 0 ? "carol" : "dave", SECRET, token, sizeof token);
    kc_free(store);
  }
  kc_store *store = open_store("keys.db");
  CHECK_STATUS(KC_OK, creates(store, "carol"));
  CHECK_STATUS(KC_E_MASTER_KEY_WRONG, creates(store, "dave"));
  kc_free(store);
}

static void a_key_under_a_master_key_that_was_not_given_is_not_called_damaged(void) {
  char alice[128], bob[128], out[128];
  make_store_of_two(alice, bob);
  kc_store *store = open_store("keys.db");
  CHECK(opens(store, "alice", alice, SECRET));
  CHECK_STATUS(KC_E_MASTER_KEY_WRONG, kc_decrypt(store, TEXT("bob"), bob, strlen(bob), NULL,
                                                 out, sizeof out, NULL, &why));
  CHECK_STATUS(KC_E_MASTER_KEY_WRONG, creates(store, "bob"));
  kc_free(store);
}

static void a_key_given_twice_counts_once(void) {
  char token[128];
  kc_store *store = open_store_with("keys.db", ring(MASTER_KEY, MASTER_KEY), 2, 0);
  encrypt(store, "alice", SECRET, token, sizeof token);
  CHECK(active_master_keys() == 1);
  CHECK(opens(store, "alice", token, SECRET));
  kc_free(store);
}

static void a_master_key_that_is_no_longer_active_reads_in_a_ring_and_creates_nothing(void) {
  static const char *const states[] = { "retiring", "retired" };
  char alice[128], bob[128], statement[128];
  make_store_of_two(alice, bob);
  for (int i = 0; i < 2; i++) {
    check_at(states[i]);
    snprintf(statement, sizeof statement, "UPDATE keycask_master SET state = '%s' WHERE rowid = 1", states[i]);
    sql("keys.db", statement);
    kc_store *store = open_store_with("keys.db", ring(MASTER_KEY, OTHER_MASTER_KEY), 2, 0);
    CHECK(opens(store, "alice", alice, SECRET));
    CHECK(opens(store, "bob", bob, SECRET));
    CHECK_STATUS(KC_E_MASTER_KEY_WRONG, creates(store, "carol"));
    CHECK(sql_number("keys.db", "SELECT count(*) FROM encryption_keys") == 2);
    CHECK(active_master_keys() == 1);
    kc_free(store);

    CHECK_STATUS(KC_E_MASTER_KEY_WRONG, opened_under(MASTER_KEY, 1));
    CHECK_STATUS(KC_E_MASTER_KEY_WRONG, opened_under(ring(MASTER_KEY, THIRD_MASTER_KEY), 2));
    CHECK_STATUS(KC_OK, opened_under(OTHER_MASTER_KEY, 1));
  }
  kc_store *store = open_store_with("keys.db", ring(OTHER_MASTER_KEY, MASTER_KEY), 2, 0);
  CHECK_STATUS(KC_OK, creates(store, "carol"));
  kc_free(store);
}

static void a_master_key_retired_meanwhile_creates_nothing(void) {
  char token[128];
  make_store("keys.db", token);
  kc_store *store = open_store("keys.db");
  sql("keys.db", "UPDATE keycask_master SET state = 'retired'");
  CHECK_STATUS(KC_E_MASTER_KEY_WRONG, creates(store, "bob"));
  CHECK(opens(store, "alice", token, SECRET));
  kc_free(store);
}

static void a_modules_store_registers_the_keys_that_it_was_filled_under(void) {
  sql("keys.db", MODULE_TABLE);
  add_user("keys.db", "alice", MASTER_KEY);
  CHECK_STATUS(KC_E_MASTER_KEY_WRONG, opened_under(OTHER_MASTER_KEY, 1));
  kc_store *store = open_store_with("keys.db", ring(OTHER_MASTER_KEY, MASTER_KEY), 2, 0);
  CHECK_STATUS(KC_OK, creates(store, "bob"));
  kc_free(store);
  CHECK(active_master_keys() == 2);
  CHECK_STATUS(KC_OK, opened_under(MASTER_KEY, 1));
}


/* Another program, which does something to keys.db when it is told to, and stops in the middle of it. It is started
   before keycask opens the store, and so has nothing of it. */
struct program {
  pid_t process;
  int told, tells;
};

static struct program start_program(const char *statements) {
  struct program program;
  int order[2], report[2];
  CHECK(pipe(order) == 0 && pipe(report) == 0);
  fflush(stdout);
  program.process = fork();
  if (program.process == 0) {
    sqlite3 *database = NULL;
    char byte;
    close(order[1]);
    int failed = read(order[0], &byte, 1) != 1 || sqlite3_open("keys.db", &database) != SQLITE_OK
                 || sqlite3_exec(database, statements, NULL, NULL, NULL) != SQLITE_OK
                 || write(report[1], "", 1) != 1 || read(order[0], &byte, 1) != 0;
    sqlite3_close(database);
    _exit(failed);
  }
  CHECK(program.process > 0);
  close(order[0]);
  close(report[1]);
  program.told = order[1];
  program.tells = report[0];
  return program;
}

static void let_work(const struct program *program) {
  char byte;
  CHECK(write(program->told, "", 1) == 1 && read(program->tells, &byte, 1) == 1);
}

/* Lets the program end, or kills it first. */
static void end_program(const struct program *program, int killed) {
  int status = 1;
  if (killed)
    kill(program->process, SIGKILL);
  close(program->told);
  CHECK(waitpid(program->process, &status, 0) == program->process);
  CHECK(killed ? WIFSIGNALED(status) : status == 0);
  close(program->tells);
}


/* What others leave in the file ----------------------------------------------------------------------------------- */

static void a_damaged_row_is_one_users_loss(void) {
  static const char *const users[] = { "a NULL", "a text", "an integer", "a real", "an empty one", "a short one",
                                       "a long one", "an altered one", "a key of 16 bytes", "another master key's" };
  unsigned char wrapped[72] = { 0 };
  char token[128], out[128];
  /* NOT NULL would keep the first of them out. */
  sql("keys.db", "CREATE TABLE encryption_keys(user_id TEXT PRIMARY KEY, encrypted_key BLOB, created_at TEXT);"
                 " INSERT INTO encryption_keys VALUES ('a NULL', NULL, ''), ('a text', printf('%060d', 0), ''),"
                 " ('an integer', 60, ''), ('a real', 6.5, ''), ('an empty one', x'', '')");
  size_t len = wrap(MASTER_KEY, MASTER_KEY, KC_KEY_SIZE, wrapped);
  add_row("keys.db", "a short one", wrapped, len - 1);
  add_row("keys.db", "a long one", wrapped, len + 1);
  wrapped[30] ^= 1;
  add_row("keys.db", "an altered one", wrapped, len);
  add_row("keys.db", "a key of 16 bytes", wrapped, wrap(MASTER_KEY, "sixteen bytes...", 16, wrapped));
  add_user("keys.db", "another master key's", OTHER_MASTER_KEY);
  add_user("keys.db", "alice", MASTER_KEY);

  kc_store *store = open_store("keys.db");
  encrypt(store, "alice", SECRET, token, sizeof token);
  encrypt(store, "bob", SECRET, out, sizeof out);
  long long rows = sql_number("keys.db", "SELECT count(*) FROM encryption_keys");
  for (size_t i = 0; i < sizeof users / sizeof users[0]; i++) {
    kc_key *key = NULL;
    check_at(users[i]);
    CHECK_STATUS(KC_E_CORRUPT, creates(store, users[i]));
    CHECK(says(users[i]));
    CHECK_STATUS(KC_E_CORRUPT, kc_decrypt(store, users[i], KC_NUL_TERMINATED, token, strlen(token), NULL,
                                          out, sizeof out, NULL, &why));
    CHECK_STATUS(KC_E_CORRUPT, kc_user_key(store, users[i], KC_NUL_TERMINATED, NULL, &key, &why));
    CHECK(key == NULL);
  }
  CHECK(opens(store, "alice", token, SECRET));
  CHECK(sql_number("keys.db", "SELECT count(*) FROM encryption_keys") == rows);
  kc_free(store);
}

static void rows_that_no_caller_could_make_are_passed_over(void) {
  sql("keys.db", MODULE_TABLE);
  sql("keys.db", "INSERT INTO encryption_keys VALUES (NULL, zeroblob(60), ''), ('', zeroblob(60), ''),"
                 " (printf('%0100000d', 0), zeroblob(60), ''), (x'ff', zeroblob(60), '')");
  add_user("keys.db", "alice", MASTER_KEY);
  kc_store *store = open_store("keys.db");
  CHECK_STATUS(KC_OK, creates(store, "alice"));
  CHECK_STATUS(KC_OK, creates(store, "bob"));
  kc_free(store);
}

static void a_bit_of_a_newer_keycask_stops_reading(void) {
  static const char *const bits[] = { "2", "1 << 62", "3" };
  char token[128], statement[128];
  make_store("keys.db", token);
  kc_store *store = open_store("keys.db");
  for (int i = 0; i < 3; i++) {
    snprintf(statement, sizeof statement, "UPDATE keycask_meta SET value = %s WHERE name = 'must_read'", bits[i]);
    sql("keys.db", statement);
    CHECK_STATUS(KC_E_UNSUPPORTED, opened_plainly("keys.db"));
    CHECK_STATUS(KC_E_UNSUPPORTED, opened(TEXT("keys.db"), MASTER_KEY, KC_KEY_SIZE, KC_OPEN_READ_ONLY));
    CHECK_STATUS(KC_E_UNSUPPORTED, creates(store, "bob"));
  }
  kc_free(store);
}

static void a_bit_of_a_newer_keycask_stops_writing(void) {
  char token[128];
  make_store("keys.db", token);
  sql("keys.db", "UPDATE keycask_meta SET value = 2 WHERE name = 'must_write'");
  kc_store *store = open_store("keys.db");
  CHECK(opens(store, "alice", token, SECRET));
  CHECK_STATUS(KC_E_UNSUPPORTED, creates(store, "bob"));
  CHECK(sql_number("keys.db", "SELECT count(*) FROM encryption_keys") == 1);
  sql("keys.db", "UPDATE keycask_meta SET value = 0 WHERE name = 'must_write'");
  CHECK_STATUS(KC_OK, creates(store, "bob"));
  kc_free(store);
}

static void damage_in_keycasks_own_tables_is_told(void) {
  static const char *const damages[] = {
    "UPDATE keycask_meta SET value = 'text' WHERE name = 'must_read'",
    "DELETE FROM keycask_meta WHERE name = 'must_write'",
    "UPDATE keycask_master SET state = 'tired'",
    "UPDATE keycask_master SET state = NULL",
    "UPDATE keycask_master SET id = zeroblob(15)",
  };
  char token[128];
  for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++) {
    check_at(damages[i]);
    make_store("keys.db", token);
    sql("keys.db", damages[i]);
    CHECK_STATUS(KC_E_CORRUPT, opened_plainly("keys.db"));
    CHECK(unlink("keys.db") == 0);
  }
}

static void a_damaged_page_is_told(void) {
  char token[128];
  size_t len = 0;
  make_store("keys.db", token);
  unsigned char *bytes = read_file("keys.db", &len);
  memset(bytes + 4096, 0xff, 4096); /* the page of the users' keys */
  write_file("keys.db", bytes, len);
  kc_store *store = open_store("keys.db");
  CHECK_STATUS(KC_E_CORRUPT, creates(store, "alice"));
  CHECK((why.engine_error & 0xff) == SQLITE_CORRUPT);
  kc_free(store);
  write_file("keys.db", bytes, 50); /* cut short */
  CHECK_STATUS(KC_E_CORRUPT, opened_plainly("keys.db"));
  free(bytes);
}

static void triggers_in_the_file_do_nothing(void) {
  char token[128];
  make_store("keys.db", token);
  sql("keys.db", "CREATE TRIGGER t AFTER INSERT ON encryption_keys BEGIN DELETE FROM encryption_keys; END");
  kc_store *store = open_store("keys.db");
  CHECK_STATUS(KC_OK, creates(store, "bob"));
  CHECK(sql_number("keys.db", "SELECT count(*) FROM encryption_keys") == 2);
  kc_free(store);
}

static void a_store_in_wal_mode_works_and_stays_so(void) {
  char token[128];
  make_store("keys.db", token);
  sql("keys.db", "PRAGMA journal_mode = WAL");
  kc_store *store = open_store("keys.db"), *second = open_store("keys.db");
  CHECK(opens(store, "alice", token, SECRET));
  encrypt(store, "bob", SECRET, token, sizeof token);
  CHECK(opens(second, "bob", token, SECRET));
  kc_free(store);
  kc_free(second);
  CHECK(sql_number("keys.db", "SELECT count(*) FROM pragma_journal_mode WHERE journal_mode = 'wal'") == 1);
}

static void what_a_crash_left_is_undone_by_a_writer_alone(void) {
  /* So much that the file is half changed before the transaction ends, and a journal lies beside it. */
  struct program program = start_program("PRAGMA cache_size = 1; PRAGMA cache_spill = 1; BEGIN;"
                                         " DELETE FROM encryption_keys; CREATE TABLE other(x);"
                                         " INSERT INTO other VALUES (randomblob(200000))");
  char token[128];
  size_t len = 0, journal_len = 0;
  make_store("keys.db", token);
  let_work(&program);
  end_program(&program, 1);
  unsigned char *before = read_file("keys.db", &len), *journal = read_file("keys.db-journal", &journal_len);
  CHECK_STATUS(KC_E_READ_ONLY, opened(TEXT("keys.db"), MASTER_KEY, KC_KEY_SIZE, KC_OPEN_READ_ONLY));
  CHECK(unchanged("keys.db", before, len) && unchanged("keys.db-journal", journal, journal_len));
  free(before);
  free(journal);

  kc_store *store = open_store("keys.db");
  CHECK(opens(store, "alice", token, SECRET));
  CHECK(count_files(".") == 1);
  kc_free(store);
}

static void a_file_that_was_moved_away_is_not_written(void) {
  kc_store *store = open_store("keys.db");
  CHECK_STATUS(KC_OK, creates(store, "alice"));
  CHECK(rename("keys.db", "moved.db") == 0);
  CHECK_STATUS(KC_E_IO, creates(store, "bob"));
  CHECK(sql_number("moved.db", "SELECT count(*) FROM encryption_keys") == 1);
  CHECK(!exists("keys.db"));
  kc_free(store);
}


/* Rights and locks ------------------------------------------------------------------------------------------------ */

static void a_read_only_opening_reads_and_never_writes(void) {
  char token[128], out[128];
  size_t len = 0;
  kc_key *key = NULL;
  make_store("keys.db", token);
  unsigned char *before = read_file("keys.db", &len);
  kc_store *store = open_store_with("keys.db", MASTER_KEY, 1, KC_OPEN_READ_ONLY);
  CHECK(opens(store, "alice", token, SECRET));
  encrypt(store, "alice", SECRET, token, sizeof token);
  CHECK(opens(store, "alice", token, SECRET));
  CHECK_STATUS(KC_E_READ_ONLY, creates(store, "bob"));
  CHECK_STATUS(KC_E_READ_ONLY, kc_user_key(store, TEXT("bob"), NULL, &key, &why));
  CHECK_STATUS(KC_E_UNKNOWN_USER, kc_decrypt(store, TEXT("bob"), token, strlen(token), NULL,
                                             out, sizeof out, NULL, &why));
  kc_free(store);
  CHECK(unchanged("keys.db", before, len) && count_files(".") == 1);
  free(before);
}

static void work_as_an_ordinary_user(void) {
  if (geteuid() == 0)
    CHECK(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
  char *folder = getcwd(NULL, 0);
  int reachable = folder != NULL && access(folder, X_OK) == 0;
  free(folder);
  if (!reachable) {
    check_skip("an ordinary user cannot come to the folder of temporary files");
    return;
  }
  CHECK_STATUS(KC_E_READ_ONLY, opened_plainly("readable.db"));
  CHECK_STATUS(KC_OK, opened(TEXT("readable.db"), MASTER_KEY, KC_KEY_SIZE, KC_OPEN_READ_ONLY));
  CHECK_STATUS(KC_E_IO, opened_plainly("closed.db"));
  CHECK(why.os_error == EACCES);
  CHECK_STATUS(KC_E_IO, opened(TEXT("closed.db"), MASTER_KEY, KC_KEY_SIZE, KC_OPEN_READ_ONLY));
  CHECK(why.os_error == EACCES);
  CHECK_STATUS(KC_E_READ_ONLY, opened(TEXT("wal.db"), MASTER_KEY, KC_KEY_SIZE, KC_OPEN_READ_ONLY));
  CHECK_STATUS(KC_E_IO, opened_plainly("new.db"));
  CHECK(why.os_error == EACCES);
  CHECK_STATUS(KC_E_IO, opened_plainly("folder/new.db"));
  CHECK(why.os_error == EACCES);
  setenv("API_KEY_MASTER_KEY_FILE", "closed.db", 1);
  CHECK_STATUS(KC_E_IO, opened(TEXT("readable.db"), NULL, KC_FROM_ENVIRONMENT, 0));
  CHECK(why.os_error == EACCES);
}

static void the_systems_refusals_are_told(void) {
  char token[128];
  make_store("readable.db", token);
  make_store("closed.db", token);
  make_store("wal.db", token);
  sql("wal.db", "PRAGMA journal_mode = WAL"); /* whose readers need a file beside it */
  CHECK(chmod("readable.db", 0444) == 0 && chmod("closed.db", 0) == 0 && chmod("wal.db", 0444) == 0);
  CHECK(chmod(".", 0555) == 0);
  CHECK(check_in_child(work_as_an_ordinary_user));
  CHECK(chmod(".", 0700) == 0);
  CHECK(count_files(".") == 3);
}

/* With no room for the file to grow. The limit is lifted before anything is printed, since that may go to a file. */
static void work_without_room(void) {
  kc_store *store = open_store("keys.db"), *second;
  struct rlimit limit;
  kc_error told;
  char user[32] = "", token[128] = "untouched";
  kc_status status = KC_OK;
  size_t len = 0;
  signal(SIGXFSZ, SIG_IGN);
  free(read_file("keys.db", &len));
  CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
  limit.rlim_cur = (rlim_t)len;
  setrlimit(RLIMIT_FSIZE, &limit);
  for (int i = 0; i < 1000 && status == KC_OK; i++) {
    snprintf(user, sizeof user, "user %d", i);
    strcpy(token, "untouched");
    status = kc_encrypt(store, user, KC_NUL_TERMINATED, TEXT(SECRET), NULL, token, sizeof token, NULL, &told);
  }
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_FSIZE, &limit);

  CHECK(status == KC_E_IO && told.status == KC_E_IO && told.os_error == EFBIG);
  CHECK(strcmp(token, "untouched") == 0);
  encrypt(store, user, SECRET, token, sizeof token);
  second = open_store("keys.db");
  CHECK(opens(second, user, token, SECRET));
  kc_free(store);
  kc_free(second);
}

static void a_key_that_cannot_be_written_encrypts_nothing(void) {
  char token[128];
  make_store("keys.db", token);
  CHECK(check_in_child(work_without_room));
}

static kc_store *open_waiting(uint32_t busy_timeout_ms) {
  kc_options options = KC_OPTIONS_INIT;
  kc_store *store = NULL;
  options.busy_timeout_ms = busy_timeout_ms;
  CHECK_STATUS(KC_OK, kc_open(TEXT("keys.db"), MASTER_KEY, KC_KEY_SIZE, &options, &store, &why));
  return store;
}

static void a_locked_store_is_busy_at_once_where_nobody_waits(void) {
  kc_options options = KC_OPTIONS_INIT;
  kc_store *second = NULL;
  kc_key *key = NULL;
  char token[128], out[128];
  make_store("keys.db", token);
  struct program program = start_program("BEGIN EXCLUSIVE");
  kc_store *store = open_waiting(KC_NONE);
  let_work(&program);

  options.busy_timeout_ms = KC_NONE;
  CHECK_STATUS(KC_E_BUSY, kc_open(TEXT("keys.db"), MASTER_KEY, KC_KEY_SIZE, &options, &second, &why));
  CHECK(second == NULL && why.engine_error == SQLITE_BUSY);
  options.flags = KC_OPEN_READ_ONLY;
  CHECK_STATUS(KC_E_BUSY, kc_open(TEXT("keys.db"), MASTER_KEY, KC_KEY_SIZE, &options, &second, &why));
  CHECK_STATUS(KC_E_BUSY, creates(store, "bob"));
  CHECK_STATUS(KC_E_BUSY, kc_decrypt(store, TEXT("alice"), token, strlen(token), NULL, out, sizeof out, NULL, &why));
  CHECK_STATUS(KC_E_BUSY, kc_user_key(store, TEXT("alice"), NULL, &key, &why));

  end_program(&program, 0);
  CHECK(opens(store, "alice", token, SECRET));
  CHECK_STATUS(KC_OK, creates(store, "bob"));
  kc_free(store);
}

static void a_writer_is_kept_out_by_a_writer_and_a_reader_is_not(void) {
  char token[128];
  make_store("keys.db", token);
  struct program program = start_program("BEGIN IMMEDIATE");
  kc_store *store = open_waiting(KC_NONE);
  let_work(&program);
  CHECK(opens(store, "alice", token, SECRET));
  CHECK_STATUS(KC_E_BUSY, creates(store, "bob"));
  end_program(&program, 0);
  CHECK_STATUS(KC_OK, creates(store, "bob"));
  kc_free(store);
}

static void a_cached_user_is_served_while_the_store_is_locked(void) {
  char token[128];
  make_store("keys.db", token);
  struct program program = start_program("BEGIN EXCLUSIVE");
  kc_store *store = open_waiting(KC_NONE);
  CHECK(opens(store, "alice", token, SECRET));
  let_work(&program);
  CHECK(opens(store, "alice", token, SECRET));
  CHECK_STATUS(KC_OK, creates(store, "alice"));
  end_program(&program, 0);
  kc_free(store);
}

static void a_locked_store_is_waited_for_as_long_as_asked(void) {
  enum { WAIT_MS = 200 };
  struct timespec start, end;
  char token[128];
  make_store("keys.db", token);
  struct program program = start_program("BEGIN EXCLUSIVE");
  kc_store *store = open_waiting(WAIT_MS);
  let_work(&program);
  clock_gettime(CLOCK_MONOTONIC, &start);
  CHECK_STATUS(KC_E_BUSY, creates(store, "bob"));
  clock_gettime(CLOCK_MONOTONIC, &end);
  long waited = (long)(end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
  CHECK(waited >= WAIT_MS * 9 / 10);
  end_program(&program, 0);
  kc_free(store);
}


/* The end --------------------------------------------------------------------------------------------------------- */

static void a_store_is_freed_once(void) {
  kc_store *store = open_store(":memory:");
  size_t count = kc_handle_count();
  CHECK_STATUS(KC_OK, kc_free(store));
  CHECK(kc_handle_count() == count - 1);
  CHECK_STATUS(KC_E_HANDLE, kc_free(store));
  CHECK_STATUS(KC_E_HANDLE, creates(store, "alice"));
  CHECK_STATUS(KC_OK, kc_free(NULL));
}

static void a_master_key_is_copied(void) {
  unsigned char key[KC_KEY_SIZE];
  char token[128];
  memcpy(key, MASTER_KEY, sizeof key);
  kc_store *store = open_store_with("keys.db", key, 1, 0);
  kc_wipe(key, sizeof key);
  encrypt(store, "alice", SECRET, token, sizeof token);
  kc_free(store);
  store = open_store("keys.db");
  CHECK(opens(store, "alice", token, SECRET));
  kc_free(store);
}

int main(void) {
  RUN(a_store_keeps_its_keys_between_openings);
  RUN(a_missing_store_is_made_with_the_modules_table_alone);
  RUN(the_first_key_makes_keycasks_own_tables);
  RUN(a_store_is_one_file);
  RUN(file_and_folders_are_their_owners_alone_whatever_the_umask);
  RUN(a_store_in_memory_is_each_openings_own);
  RUN(a_location_may_end_at_its_length_or_its_nul);
  RUN(a_location_is_taken_literally);
  RUN(a_relative_location_is_made_absolute_when_it_is_opened);
  RUN(symbolic_links_are_followed_once);
  RUN(a_dangling_link_leads_to_the_store_that_is_made);
  RUN(links_in_a_ring_are_refused);
  RUN(an_empty_file_becomes_a_store);
  RUN(an_empty_database_becomes_a_store);
  RUN(a_path_of_504_bytes_is_the_longest);

  RUN(a_location_is_text_without_a_nul);
  RUN(a_location_has_at_most_4096_bytes);
  RUN(a_url_is_not_taken_for_a_file);
  RUN(a_directory_is_refused);
  RUN(a_file_where_a_folder_belongs_is_refused);
  RUN(fifos_sockets_and_devices_are_refused_and_not_waited_for);
  RUN(a_file_that_is_no_database_is_refused_and_left_alone);
  RUN(a_database_of_something_else_is_refused_and_left_alone);
  RUN(a_missing_store_is_not_made_where_it_must_exist);

  RUN(a_handle_needs_a_place_of_its_own);
  RUN(handles_and_options_need_no_alignment);
  RUN(a_kc_options_grows_at_its_end_alone);
  RUN(unknown_flags_are_refused);
  RUN(as_many_users_are_cached_as_asked_for);

  RUN(master_keys_are_1_to_16_keys_of_32_bytes);
  RUN(a_bad_master_key_makes_no_store);
  RUN(the_environment_holds_the_master_key);
  RUN(the_environment_names_the_master_keys_file);
  RUN(the_variable_comes_before_the_file);
  RUN(the_environment_is_read_only_when_asked_for);
  RUN(the_wrong_master_key_is_refused_and_changes_nothing);
  RUN(an_unregistered_master_key_opens_one_of_the_first_1000_rows);
  RUN(two_master_keys_never_fill_one_new_store);
  RUN(a_master_key_is_registered_beside_an_active_one_when_it_first_creates);
  RUN(a_ring_opens_keys_under_each_and_creates_under_the_first);
  RUN(a_key_under_a_master_key_that_was_not_given_is_not_called_damaged);
  RUN(a_key_given_twice_counts_once);
  RUN(a_master_key_that_is_no_longer_active_reads_in_a_ring_and_creates_nothing);
  RUN(a_master_key_retired_meanwhile_creates_nothing);
  RUN(a_modules_store_registers_the_keys_that_it_was_filled_under);

  RUN(a_damaged_row_is_one_users_loss);
  RUN(rows_that_no_caller_could_make_are_passed_over);
  RUN(a_bit_of_a_newer_keycask_stops_reading);
  RUN(a_bit_of_a_newer_keycask_stops_writing);
  RUN(damage_in_keycasks_own_tables_is_told);
  RUN(a_damaged_page_is_told);
  RUN(triggers_in_the_file_do_nothing);
  RUN(a_store_in_wal_mode_works_and_stays_so);
  RUN(what_a_crash_left_is_undone_by_a_writer_alone);
  RUN(a_file_that_was_moved_away_is_not_written);

  RUN(a_read_only_opening_reads_and_never_writes);
  RUN(the_systems_refusals_are_told);
  RUN(a_key_that_cannot_be_written_encrypts_nothing);
  RUN(a_locked_store_is_busy_at_once_where_nobody_waits);
  RUN(a_writer_is_kept_out_by_a_writer_and_a_reader_is_not);
  RUN(a_cached_user_is_served_while_the_store_is_locked);
  RUN(a_locked_store_is_waited_for_as_long_as_asked);

  RUN(a_store_is_freed_once);
  RUN(a_master_key_is_copied);
  return check_report();
}
