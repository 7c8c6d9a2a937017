/*
 * check.h: the harness of these tests, and the set-up that they share.
 *
 * Each of the other files is a program, about one noun. By hand, after a release build of the library:
 *
 *     gcc -std=c99 -g -Iinclude -Itests/c tests/c/keys.c tests/c/check.c -o keys \
 *         -Ltarget/release -lkeycask -lsqlite3 -ljansson -lpthread -Wl,-rpath,target/release && ./keys
 *
 * vectors takes the folder of the vectors: ./vectors tests/vectors
 *
 * Every test runs in an empty folder of its own, made under TMPDIR, which is its working directory; so a test names
 * files plainly. Neither variable of the master key is set when it begins. Under valgrind, and with CHECK_SLOW in the
 * environment, loops are shorter and the largest values smaller.
 *
 * All of it is C99 and C++17.
 */

#ifndef CHECK_H
#define CHECK_H

/* For mkdtemp, setenv, nftw and their like. C++ compilers define it themselves. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "keycask.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CHECK_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer)
#define CHECK_SANITIZED 1
#endif
#endif
#ifndef CHECK_SANITIZED
#define CHECK_SANITIZED 0
#endif


/* The harness ----------------------------------------------------------------------------------------------------- */

/* Why the last call failed: tests pass &why. Untouched, in the sense below, after a success. */
extern kc_error why;

/* Whether the message of the last error holds this text. */
int says(const char *text);

/* Reports a condition that does not hold; the test goes on. */
#define CHECK(condition) check_that((condition) ? 1 : 0, #condition, __FILE__, __LINE__)

/* Checks what a call answers and, where it was given &why, that the error says the same. */
#define CHECK_STATUS(expected, call) \
  (check_forget(), check_status((expected), (call), #call, __FILE__, __LINE__))

/* Runs a test: a function that takes nothing. It must free every handle that it opens. */
#define RUN(test) check_run(#test, test)

/* Prints the last line, `N passed, N failed`, and gives the program's exit status. */
int check_report(void);

/* What the test is at, for its messages. */
void check_at(const char *part);

/* Counts the test as skipped. The caller returns after it. */
void check_skip(const char *reason);

/* Says that the test does less than it promises. */
void check_note(const char *what);

/* Whether the program runs slowly, under valgrind. */
int check_slow(void);

/* Runs work in a child process, and answers whether all its checks held. What it skips, the test skips. */
int check_in_child(void (*work)(void));

void check_that(int holds, const char *condition, const char *file, int line);
void check_forget(void);
void check_status(kc_status expected, kc_status found, const char *call, const char *file, int line);
void check_run(const char *name, void (*test)(void));


/* Memory ---------------------------------------------------------------------------------------------------------- */

/* A string literal as pointer and length, for two parameters at once. */
#define TEXT(literal) (literal), sizeof(literal) - 1

/* A length output that nobody has written to. */
#define UNTOUCHED ((size_t)0x5a5a5a5a)

/* More than any object has: a length of this is a mistake of arithmetic. */
#define TOO_LONG ((size_t)PTRDIFF_MAX + 1)

/* Fills memory with the bytes by which untouched() knows that nobody has written there. */
void fill(void *memory, size_t len);
int untouched(const void *memory, size_t len);

/* malloc, which never fails. */
void *allocate(size_t len);


/* Stores ---------------------------------------------------------------------------------------------------------- */

extern const unsigned char MASTER_KEY[KC_KEY_SIZE];
extern const unsigned char OTHER_MASTER_KEY[KC_KEY_SIZE];

/* Opens a store under MASTER_KEY. */
kc_store *open_store(const char *location);

/* Opens a store under n master keys, with KC_OPEN_ bits. */
kc_store *open_store_with(const char *location, const void *master_keys, size_t n, uint32_t flags);

/* A kc_call with these flags. */
kc_call call_with(uint32_t flags);

/* Encrypts a text of a user to token, a string of at most `capacity` bytes; makes the user where they are new. */
void encrypt(kc_store *store, const char *user, const char *text, char *token, size_t capacity);

/* Whether a user's token opens to this text. */
int opens(kc_store *store, const char *user, const char *token, const char *text);

/* What another program does to a store's file, through an SQLite of its own. The number is the first row's first. */
void sql(const char *file, const char *statements);
long long sql_number(const char *file, const char *query);

/* A file whole, to be freed; whether it still is what it was; a file made anew. */
unsigned char *read_file(const char *path, size_t *len);
int unchanged(const char *path, const unsigned char *before, size_t len);
void write_file(const char *path, const void *bytes, size_t len);

/* How many files a folder holds. */
int count_files(const char *folder);

#ifdef __cplusplus
}
#endif

#endif
