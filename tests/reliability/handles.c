/*
 * Handles under fire.
 *
 *     handles [--seconds N] [--tickets N]
 *
 * Threads call every function on handles that another thread frees and replaces all the while: each call succeeds with the
 * right answer, or says KC_E_HANDLE; a ticket that was freed never opens again, nor does one of the wrong type, though
 * their slots are used over and over. Then random tickets, and near misses of living ones, against every function.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif

#include "keycask.h"

#include "../c/temporary.h"

#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CALLERS 4
#define STORES 4
#define KEYS 8
#define GRAVEYARD 1024

static const unsigned char MASTER_KEY[KC_KEY_SIZE] = "0123456789abcdefghijklmnopqrstu";
static const char USER[] = "alice", SECRET[] = "sk-alice-1234";

/* Living handles, most of the time: one may have been freed since it was read. */
static uintptr_t stores[STORES], keys[KEYS];
static uintptr_t freed[GRAVEYARD];
static unsigned buried;

static char token[80];
static int stop;
static unsigned long made, calls, answered, refused, stale, errors;
static char first_error[700];
static char path[PATH_MAX + 16];

#define GET(place) __atomic_load_n(&(place), __ATOMIC_ACQUIRE)
#define SET(place, value) __atomic_store_n(&(place), (value), __ATOMIC_RELEASE)
#define ADD(place, n) __atomic_add_fetch(&(place), (n), __ATOMIC_RELAXED)

static uint64_t next(uint64_t *state) { /* xorshift64* */
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 2685821657736338717u;
}

static void wrong(const char *what, kc_status found, const kc_error *why) {
  if (ADD(errors, 1) == 1)
    snprintf(first_error, sizeof first_error, "%s answers %d (%s): %s", what, found, kc_status_text(found),
             found < 0 ? why->message : "");
}

static void *handle(uintptr_t ticket) {
  return (void *)ticket;
}

/* Every function that takes a handle ------------------------------------------------------------------------------- */

static kc_status call_encrypt(void *it, kc_error *why) {
  char out[80];
  return kc_encrypt(it, USER, KC_NUL_TERMINATED, SECRET, sizeof SECRET - 1, NULL, out, sizeof out, NULL, why);
}

/* A plaintext that is not the secret is an answer that no caller allows. */
static kc_status right(kc_status status, const char *plaintext, size_t length) {
  return status == KC_OK && (length != sizeof SECRET - 1 || memcmp(plaintext, SECRET, length) != 0) ? KC_E_INTERNAL : status;
}

static kc_status call_decrypt(void *it, kc_error *why) {
  char out[80];
  size_t length = 0;
  kc_status status = kc_decrypt(it, USER, KC_NUL_TERMINATED, token, KC_NUL_TERMINATED, NULL, out, sizeof out, &length, why);
  return right(status, out, length);
}

static kc_status call_user_key(void *it, kc_error *why) {
  kc_key *key;
  kc_status status = kc_user_key(it, USER, KC_NUL_TERMINATED, NULL, &key, why);
  if (status == KC_OK && kc_free(key) != KC_OK)
    return KC_E_INTERNAL;
  return status;
}

/* A new store's first costs 12 ms; callers make it seldom. */
static kc_status call_pool_key(void *it, kc_error *why) {
  kc_key *key;
  kc_status status = kc_pool_key(it, &key, why);
  if (status == KC_OK && kc_free(key) != KC_OK)
    return KC_E_INTERNAL;
  return status;
}

static kc_status call_export(void *it, kc_error *why) {
  unsigned char raw[KC_KEY_SIZE];
  return kc_key_export(it, raw, sizeof raw, NULL, why);
}

static kc_status call_key_encrypt(void *it, kc_error *why) {
  char out[80], plain[80];
  size_t length = 0;
  kc_status status = kc_key_encrypt(it, SECRET, sizeof SECRET - 1, NULL, out, sizeof out, NULL, why);
  if (status != KC_OK)
    return status;
  status = kc_key_decrypt(it, out, KC_NUL_TERMINATED, NULL, plain, sizeof plain, &length, why);
  return right(status, plain, length);
}

static kc_status call_key_decrypt(void *it, kc_error *why) {
  char out[80];
  size_t length = 0;
  kc_status status = kc_key_decrypt(it, token, KC_NUL_TERMINATED, NULL, out, sizeof out, &length, why);
  return right(status, out, length);
}

static kc_status call_free(void *it, kc_error *why) {
  why->message[0] = '\0';
  return kc_free(it);
}

struct function {
  const char *name;
  kc_status (*call)(void *, kc_error *);
};

static const struct function OF_STORES[] = { { "kc_encrypt", call_encrypt }, { "kc_decrypt", call_decrypt },
                                             { "kc_user_key", call_user_key }, { "kc_pool_key", call_pool_key } };
static const struct function OF_KEYS[] = { { "kc_key_export", call_export }, { "kc_key_encrypt", call_key_encrypt },
                                           { "kc_key_decrypt", call_key_decrypt } };
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Under fire ------------------------------------------------------------------------------------------------------ */

/* kc_free's own place in the race: a store goes and its keys with it, and new ones come. */
static void *replace(void *number) {
  uint64_t state = 7 + (uintptr_t)number;
  kc_error why;
  while (!GET(stop)) {
    kc_store *store;
    kc_key *key;
    size_t place = next(&state) % STORES;
    if (next(&state) % 4 == 0) {
      kc_status status = kc_open(path, KC_NUL_TERMINATED, MASTER_KEY, sizeof MASTER_KEY, NULL, &store, &why);
      if (status != KC_OK)
        wrong("kc_open", status, &why);
      ADD(made, 1);
      uintptr_t old = __atomic_exchange_n(&stores[place], (uintptr_t)store, __ATOMIC_ACQ_REL);
      if (old != 0 && kc_free(handle(old)) != KC_OK)
        wrong("kc_free of a store", KC_E_HANDLE, &why);
      SET(freed[ADD(buried, 1) % GRAVEYARD], old);
    }
    kc_status status = kc_user_key(handle(GET(stores[place])), USER, KC_NUL_TERMINATED, NULL, &key, &why);
    if (status == KC_E_HANDLE)
      continue;
    if (status != KC_OK)
      wrong("kc_user_key", status, &why);
    ADD(made, 1);
    uintptr_t old = __atomic_exchange_n(&keys[next(&state) % KEYS], (uintptr_t)key, __ATOMIC_ACQ_REL);
    if (old != 0 && kc_free(handle(old)) != KC_OK)
      wrong("kc_free of a key", KC_E_HANDLE, &why);
    SET(freed[ADD(buried, 1) % GRAVEYARD], old);
  }
  return NULL;
}

static void must_be_refused(const char *what, kc_status found, const kc_error *why) {
  ADD(stale, 1);
  if (found != KC_E_HANDLE)
    wrong(what, found, why);
}

static void *call(void *number) {
  uint64_t state = 1000 + (uintptr_t)number;
  kc_error why;
  while (!GET(stop)) {
    const struct function *of_stores = &OF_STORES[next(&state) % (COUNT(OF_STORES) - (next(&state) % 64 != 0))];
    const struct function *of_keys = &OF_KEYS[next(&state) % COUNT(OF_KEYS)];
    uintptr_t store = GET(stores[next(&state) % STORES]), key = GET(keys[next(&state) % KEYS]);
    uintptr_t dead = GET(freed[next(&state) % GRAVEYARD]);
    kc_status found[2] = { of_stores->call(handle(store), &why), 0 };
    if (found[0] != KC_OK && found[0] != KC_E_HANDLE)
      wrong(of_stores->name, found[0], &why);
    found[1] = of_keys->call(handle(key), &why);
    if (found[1] != KC_OK && found[1] != KC_E_HANDLE)
      wrong(of_keys->name, found[1], &why);
    for (int i = 0; i < 2; i++)
      ADD(*(found[i] == KC_OK ? &answered : &refused), 1);
    ADD(calls, 2);
    must_be_refused(of_keys->name, of_keys->call(handle(store), &why), &why);
    must_be_refused(of_stores->name, of_stores->call(handle(key), &why), &why);
    if (dead != 0) {
      must_be_refused(of_keys->name, of_keys->call(handle(dead), &why), &why);
      must_be_refused(of_stores->name, of_stores->call(handle(dead), &why), &why);
      must_be_refused("kc_free", call_free(handle(dead), &why), &why);
    }
  }
  return NULL;
}

static void under_fire(unsigned seconds) {
  pthread_t threads[CALLERS + 2];
  for (size_t i = 0; i < COUNT(threads); i++)
    if (pthread_create(&threads[i], NULL, i < 2 ? replace : call, (void *)(uintptr_t)i) != 0)
      abort();
  sleep(seconds);
  SET(stop, 1);
  for (size_t i = 0; i < COUNT(threads); i++)
    pthread_join(threads[i], NULL);
}

/* Random tickets --------------------------------------------------------------------------------------------------- */

static int lives(uintptr_t ticket) {
  for (size_t i = 0; i < STORES; i++)
    if (stores[i] == ticket)
      return 1;
  for (size_t i = 0; i < KEYS; i++)
    if (keys[i] == ticket)
      return 1;
  return ticket == 0; /* NULL may be freed. */
}

/* Any number, one that looks like a ticket, or a living ticket with a bit turned or a little beside. */
static uintptr_t ticket(uint64_t *state) {
  uint64_t random = next(state), living = random % 2 ? stores[random / 2 % STORES] : keys[random / 2 % KEYS];
  switch (next(state) % 4) {
    case 0: return (uintptr_t)next(state);
    case 1: return (uintptr_t)(UINT64_C(1) << 63 | (next(state) % 4096) << 32 | next(state) % 64);
    case 2: return (uintptr_t)(living ^ UINT64_C(1) << next(state) % 64);
    default: return (uintptr_t)(living + (next(state) % 65 - 32) * (next(state) % 2 ? 1 : UINT64_C(1) << 32));
  }
}

static void random_tickets(unsigned long count) {
  uint64_t state = 42;
  kc_error why;
  for (unsigned long i = 0; i < count; i++) {
    uintptr_t random = ticket(&state);
    size_t which = i % (COUNT(OF_STORES) + COUNT(OF_KEYS) + 1);
    static const struct function FREE = { "kc_free", call_free };
    const struct function *function = which < COUNT(OF_STORES) ? &OF_STORES[which]
        : which == COUNT(OF_STORES) + COUNT(OF_KEYS)           ? &FREE
                                                               : &OF_KEYS[which - COUNT(OF_STORES)];
    if (lives(random))
      continue;
    kc_status found = function->call(handle(random), &why);
    if (found != KC_E_HANDLE)
      wrong(function->name, found, &why);
  }
  for (size_t i = 0; i < STORES; i++)
    if (stores[i] != 0 && call_decrypt(handle(stores[i]), &why) != KC_OK)
      wrong("a living store, after it", KC_E_HANDLE, &why);
}

int main(int count, char **arguments) {
  static const struct option OPTIONS[] = { { "seconds", 1, NULL, 's' }, { "tickets", 1, NULL, 't' }, { NULL, 0, NULL, 0 } };
  unsigned seconds = 4;
  unsigned long tickets = 1000000;
  int option;
  while ((option = getopt_long(count, arguments, "", OPTIONS, NULL)) != -1)
    switch (option) {
      case 's': seconds = (unsigned)atoi(optarg); break;
      case 't': tickets = (unsigned long)atol(optarg); break;
      default: return 2;
    }
  kc_error why;
  kc_store *store;
  if (make_temporary_folder() != 0)
    return 2;
  snprintf(path, sizeof path, "%s/keys.db", temporary_folder);
  if (kc_open(path, KC_NUL_TERMINATED, MASTER_KEY, sizeof MASTER_KEY, NULL, &store, &why) != KC_OK
      || kc_encrypt(store, USER, KC_NUL_TERMINATED, SECRET, sizeof SECRET - 1, NULL, token, sizeof token, NULL, &why)
          != KC_OK) {
    printf("%s\n", why.message);
    return 2;
  }
  kc_free(store);

  under_fire(seconds);
  random_tickets(tickets);
  size_t living = 0;
  for (size_t i = 0; i < STORES; i++)
    living += stores[i] != 0;
  for (size_t i = 0; i < KEYS; i++)
    living += keys[i] != 0;
  if (kc_handle_count() != living)
    wrong("kc_handle_count", (kc_status)kc_handle_count(), &why);
  for (size_t i = 0; i < STORES; i++)
    kc_free(handle(stores[i]));
  for (size_t i = 0; i < KEYS; i++)
    if (kc_free(handle(keys[i])) != KC_OK)
      wrong("kc_free of a key whose store is gone", KC_E_HANDLE, &why);

  printf("%lu handles made and freed while %lu calls ran (%lu answered, %lu refused); %lu calls with stale and wrong ones "
         "and %lu random tickets, none to be taken; %zu handles left; %lu errors\n",
         made, calls, answered, refused, stale, tickets, kc_handle_count(), errors);
  if (errors > 0)
    printf("  the first error: %s\n", first_error);
  unlink(path);
  rmdir(temporary_folder);
  return errors > 0 || kc_handle_count() != 0 || answered == 0 || refused == 0;
}
