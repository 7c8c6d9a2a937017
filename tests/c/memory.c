/* What is left in the process's memory when the last handle has been freed, the stack included. */

#include "check.h"

#include <fcntl.h>

enum { MASTER_KEYS = 16, SCHEDULE_SIZE = 240, PIECE = 16 };

static unsigned char s_box[256];

static unsigned char rotated(unsigned char byte, int by) { return (unsigned char)(byte << by | byte >> (8 - by)); }

/* The S-box of AES (FIPS 197 §5.1.1), by walking the field with a generator and its inverse. */
static void make_s_box(void) {
  unsigned char p = 1, q = 1;
  do {
    p = (unsigned char)(p ^ p << 1 ^ (p & 0x80 ? 0x1b : 0));
    q = (unsigned char)(q ^ q << 1);
    q = (unsigned char)(q ^ q << 2);
    q = (unsigned char)(q ^ q << 4);
    if (q & 0x80)
      q ^= 0x09;
    s_box[p] = (unsigned char)(q ^ rotated(q, 1) ^ rotated(q, 2) ^ rotated(q, 3) ^ rotated(q, 4) ^ 0x63);
  } while (p != 1);
  s_box[0] = 0x63;
}

/* The round keys of AES-256 (FIPS 197 §5.2). */
static void expand(const unsigned char key[KC_KEY_SIZE], unsigned char schedule[SCHEDULE_SIZE]) {
  unsigned char round = 1;
  memcpy(schedule, key, KC_KEY_SIZE);
  for (size_t at = KC_KEY_SIZE; at < SCHEDULE_SIZE; at += 4) {
    unsigned char word[4];
    memcpy(word, schedule + at - 4, 4);
    if (at % 32 == 0) {
      unsigned char first = word[0];
      word[0] = (unsigned char)(s_box[word[1]] ^ round);
      word[1] = s_box[word[2]];
      word[2] = s_box[word[3]];
      word[3] = s_box[first];
      round = (unsigned char)(round << 1);
    } else if (at % 32 == 16) {
      for (size_t i = 0; i < 4; i++)
        word[i] = s_box[word[i]];
    }
    for (size_t i = 0; i < 4; i++)
      schedule[at + i] = schedule[at + i - 32] ^ word[i];
  }
}

/* What is looked for, a round key's length each, kept inverted so that it is not found here. */
static unsigned char wanted[MASTER_KEYS * 8 + 32][PIECE];
static size_t wanted_count;

static void want(const unsigned char secret[KC_KEY_SIZE]) {
  for (size_t i = 0; i < KC_KEY_SIZE; i++)
    wanted[wanted_count + i / PIECE][i % PIECE] = (unsigned char)~secret[i];
  wanted_count += KC_KEY_SIZE / PIECE;
}

/* A secret, and the base64 of it in either alphabet. */
static void want_encoded(const unsigned char secret[KC_KEY_SIZE]) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  const char *const alphabets[] = { "+/", "-_" };
  unsigned char text[KC_KEY_SIZE];
  want(secret);
  for (size_t alphabet = 0; alphabet < 2; alphabet++) {
    for (size_t at = 0; at < sizeof text; at++) {
      const size_t byte = at * 6 / 8, offset = at * 6 % 8;
      const unsigned pair = (unsigned)secret[byte] << 8 | secret[byte + 1];
      const unsigned digit = pair >> (10 - offset) & 63;
      text[at] = (unsigned char)(digit < 62 ? letters[digit] : alphabets[alphabet][digit - 62]);
    }
    want(text);
  }
  kc_wipe(text, sizeof text);
}

/* A key, and the last round keys of its schedule, from which it can be computed. */
static void want_key(const unsigned char key[KC_KEY_SIZE]) {
  unsigned char schedule[SCHEDULE_SIZE];
  want_encoded(key);
  expand(key, schedule);
  want(schedule + SCHEDULE_SIZE - KC_KEY_SIZE);
  kc_wipe(schedule, sizeof schedule);
}

static size_t found_in(const unsigned char *memory, size_t len) {
  size_t found = 0;
  for (size_t at = 0; at + PIECE <= len; at++)
    for (size_t w = 0; w < wanted_count; w++) {
      size_t same = 0;
      while (same < PIECE && memory[at + same] == (unsigned char)~wanted[w][same])
        same++;
      found += same == PIECE;
    }
  return found;
}

/* How often one of them stands in what the process can write. */
static size_t found_in_memory(void) {
  static unsigned char buffer[1 << 16];
  char line[512];
  size_t found = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  int memory = open("/proc/self/mem", O_RDONLY);
  CHECK(maps != NULL && memory >= 0);
  while (maps != NULL && fgets(line, sizeof line, maps) != NULL) {
    unsigned long start, end;
    char access[8];
    if (sscanf(line, "%lx-%lx %7s", &start, &end, access) != 3 || access[1] != 'w')
      continue;
    for (unsigned long at = start; at < end; at += sizeof buffer - PIECE) {
      size_t len = end - at < sizeof buffer ? (size_t)(end - at) : sizeof buffer;
      ssize_t got;
      if (at <= (unsigned long)buffer && (unsigned long)buffer < at + len)
        continue;
      got = pread(memory, buffer, len, (off_t)at);
      if (got > 0)
        found += found_in(buffer, (size_t)got);
    }
  }
  kc_wipe(buffer, sizeof buffer);
  if (maps != NULL)
    fclose(maps);
  close(memory);
  return found;
}

static void after_the_last_free_no_key_is_left(void) {
  static unsigned char master_keys[MASTER_KEYS][KC_KEY_SIZE];
  char secret[KC_KEY_SIZE + 1];
  unsigned char raw[KC_KEY_SIZE];
  char token[256], plaintext[64];
  kc_store *store;
  kc_key *key, *pool, *imported;
  size_t n;
  if (check_slow() || CHECK_SANITIZED) {
    check_skip("the checker's own memory holds copies of what was freed");
    return;
  }
  make_s_box();
  for (n = 1; n <= MASTER_KEYS; n++) {
    wanted_count = 0;
    for (size_t at = 0; at < sizeof master_keys; at++)
      ((unsigned char *)master_keys)[at] = (unsigned char)(at * 73 + at / 256 + n * 31 + 5);
    for (size_t at = 0; at < n; at++)
      want_key(master_keys[at]);
    store = open_store_with(":memory:", master_keys, n, 0);
    for (size_t at = 0; at < KC_KEY_SIZE; at++)
      secret[at] = (char)('a' + (at * 7 + at / 3 + n) % 26);
    secret[KC_KEY_SIZE] = '\0';
    want_encoded((const unsigned char *)secret);
    encrypt(store, "alice", secret, token, sizeof token);
    kc_wipe(secret, sizeof secret);
    CHECK_STATUS(KC_OK, kc_decrypt(store, "alice", KC_NUL_TERMINATED, token, KC_NUL_TERMINATED, NULL, plaintext,
                                   sizeof plaintext, NULL, &why));
    kc_wipe(plaintext, sizeof plaintext);
    CHECK_STATUS(KC_OK, kc_user_key(store, "alice", KC_NUL_TERMINATED, NULL, &key, &why));
    CHECK_STATUS(KC_OK, kc_key_export(key, raw, sizeof raw, NULL, &why));
    want_key(raw);
    CHECK_STATUS(KC_OK, kc_pool_key(store, &pool, &why));
    CHECK_STATUS(KC_OK, kc_key_import(raw, sizeof raw, &imported, &why));
    CHECK_STATUS(KC_OK, kc_key_export(pool, raw, sizeof raw, NULL, &why));
    want_key(raw);
    kc_wipe(raw, sizeof raw);
    kc_wipe(master_keys, sizeof master_keys);
    CHECK(found_in_memory() > 0); /* while they are in use they can be found: so the search works */
    kc_free(store);
    kc_free(key);
    kc_free(pool);
    kc_free(imported);
    CHECK(found_in_memory() == 0);
  }
}

int main(void) {
  RUN(after_the_last_free_no_key_is_left);
  return check_report();
}
