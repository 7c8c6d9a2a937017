/*
 * That no branch and no address depends on a secret: it is marked as undefined, and valgrind reports each branch or index that
 * does, as ctgrind has it. constant_time.py runs it, and knows what may be reported.
 *
 *     constant_time WHAT: key, plaintext, decrypt, text, hash, export; or planted-branch, planted-index, which must be reported
 *
 * Under valgrind AES and GHASH are the ones in software: the instructions are the processor's promise.
 */

#include "keycask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <valgrind/memcheck.h>

static const char API_KEY[] = "sk-a-secret-of-some-length-0123456789";
static kc_error why;

static void must(kc_status status) {
  /* What is told of a failure is public. */
  VALGRIND_MAKE_MEM_DEFINED(&status, sizeof status);
  if (status != KC_OK) {
    fprintf(stderr, "%s\n", why.message);
    exit(2);
  }
}

static void secret(void *memory, size_t len) { VALGRIND_MAKE_MEM_UNDEFINED(memory, len); }
static void public(const void *memory, size_t len) { VALGRIND_MAKE_MEM_DEFINED(memory, len); }

static kc_key *key_of(int is_secret) {
  unsigned char raw[KC_KEY_SIZE];
  kc_key *key;
  memset(raw, 0x5a, sizeof raw);
  if (is_secret)
    secret(raw, sizeof raw);
  must(kc_key_import(raw, sizeof raw, &key, &why));
  return key;
}

/* Of 1 byte to some kilobytes: each way through the primitives. */
static const size_t LENGTHS[] = { 1, 16, 37, 128, 1000, 5000 };

static void encrypt(int secret_key, int secret_plaintext) {
  static char plaintext[5000], token[8000];
  kc_key *key = key_of(secret_key);
  for (size_t at = 0; at < sizeof LENGTHS / sizeof *LENGTHS; at++) {
    memset(plaintext, 'p', sizeof plaintext);
    if (secret_plaintext)
      secret(plaintext, LENGTHS[at]);
    must(kc_key_encrypt(key, plaintext, LENGTHS[at], NULL, token, sizeof token, NULL, &why));
    public(token, sizeof token);
  }
  kc_free(key);
}

static void decrypt(void) {
  static char plaintext[5000], token[8000];
  kc_key *public_key = key_of(0), *key = key_of(1);
  size_t len;
  for (size_t at = 0; at < sizeof LENGTHS / sizeof *LENGTHS; at++) {
    memset(plaintext, 'p', sizeof plaintext);
    must(kc_key_encrypt(public_key, plaintext, LENGTHS[at], NULL, token, sizeof token, &len, &why));
    must(kc_key_decrypt(key, token, len, NULL, plaintext, sizeof plaintext, NULL, &why));
    /* Of another key: refused as quickly. */
    token[10] = token[10] == 'A' ? 'B' : 'A';
    if (kc_key_decrypt(key, token, len, NULL, plaintext, sizeof plaintext, NULL, &why) != KC_E_AUTHENTICATION)
      exit(2);
  }
  kc_free(public_key);
  kc_free(key);
}

static void text(void) {
  char text[KC_MASTER_KEY_TEXT_SIZE];
  unsigned char raw[KC_KEY_SIZE];
  must(kc_master_key_generate(text, sizeof text, NULL, &why));
  /* Its length and its padding are everybody's. */
  secret(text, 43);
  must(kc_master_key_decode(text, 44, raw, sizeof raw, NULL, &why));
}

static void hash(void) {
  char api_key[sizeof API_KEY], hex[KC_HASH_SIZE];
  memcpy(api_key, API_KEY, sizeof api_key);
  secret(api_key, sizeof api_key - 1);
  must(kc_hash(api_key, sizeof api_key - 1, hex, sizeof hex, NULL, &why));
}

static void exported(void) {
  unsigned char raw[KC_KEY_SIZE];
  kc_key *key = key_of(1);
  must(kc_key_export(key, raw, sizeof raw, NULL, &why));
  kc_free(key);
}

static volatile int sink;

static void planted(int by_index) {
  static const char table[256] = { 1 };
  unsigned char raw[KC_KEY_SIZE];
  memset(raw, 0x5a, sizeof raw);
  secret(raw, sizeof raw);
  if (by_index)
    sink = table[raw[0]];
  else if (raw[0] & 1)
    sink = 1;
}

int main(int argc, char **argv) {
  const char *what = argc == 2 ? argv[1] : "";
  if (strcmp(what, "key") == 0)
    encrypt(1, 0);
  else if (strcmp(what, "plaintext") == 0)
    encrypt(0, 1);
  else if (strcmp(what, "decrypt") == 0)
    decrypt();
  else if (strcmp(what, "text") == 0)
    text();
  else if (strcmp(what, "hash") == 0)
    hash();
  else if (strcmp(what, "export") == 0)
    exported();
  else if (strcmp(what, "planted-branch") == 0)
    planted(0);
  else if (strcmp(what, "planted-index") == 0)
    planted(1);
  else
    return 2;
  return 0;
}
