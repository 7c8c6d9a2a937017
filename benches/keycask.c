/* keycask through its C interface, as a C program calls it. */

#include "bench.h"
#include "keycask.h"

static kc_store *store, *uncached;

struct own {
  char user[32];
  size_t user_len;
  kc_key *key;
  unsigned long made;
};

static void make(struct hand *hand) {
  struct own *own = calloc(1, sizeof *own);
  REQUIRE(own);
  own->user_len = (size_t)sprintf(own->user, "user-%d@example.com", hand->number);
  REQUIRE(kc_user_key(store, own->user, own->user_len, NULL, &own->key, NULL) == KC_OK);
  hand->own = own;
}

static void encrypt_as(struct hand *hand, kc_store *in, const char *user, size_t user_len) {
  REQUIRE(kc_encrypt(in, user, user_len, hand->plaintext, hand->size, NULL, hand->token, kc_encrypted_size(hand->size),
                     &hand->token_len, NULL) == KC_OK);
}

static kc_status decrypt_as(struct hand *hand, kc_store *in, const char *user, size_t user_len) {
  return kc_decrypt(in, user, user_len, hand->token, hand->token_len, NULL, hand->opened, hand->size, NULL, NULL);
}

/* Each thread has its user. */
static void encrypt(struct hand *hand) {
  struct own *own = hand->own;
  encrypt_as(hand, store, own->user, own->user_len);
}

static void decrypt(struct hand *hand) {
  struct own *own = hand->own;
  REQUIRE(decrypt_as(hand, store, own->user, own->user_len) == KC_OK);
}

/* All threads have one. */
static void encrypt_one(struct hand *hand) { encrypt_as(hand, store, "user-0@example.com", 18); }
static void decrypt_one(struct hand *hand) { REQUIRE(decrypt_as(hand, store, "user-0@example.com", 18) == KC_OK); }

/* By the key's handle. */
static void key_encrypt(struct hand *hand) {
  struct own *own = hand->own;
  REQUIRE(kc_key_encrypt(own->key, hand->plaintext, hand->size, NULL, hand->token, kc_encrypted_size(hand->size),
                         &hand->token_len, NULL) == KC_OK);
}

static void key_decrypt(struct hand *hand) {
  struct own *own = hand->own;
  REQUIRE(kc_key_decrypt(own->key, hand->token, hand->token_len, NULL, hand->opened, hand->size, NULL, NULL) == KC_OK);
}

/* A token that was altered. */
static void alter(struct hand *hand) {
  encrypt(hand);
  hand->token[20] = hand->token[20] == 'A' ? 'B' : 'A';
}

static void refuse(struct hand *hand) {
  struct own *own = hand->own;
  REQUIRE(decrypt_as(hand, store, own->user, own->user_len) == KC_E_AUTHENTICATION);
}

/* The key is read from the store and unwrapped in each call. */
static void decrypt_uncached(struct hand *hand) {
  struct own *own = hand->own;
  REQUIRE(decrypt_as(hand, uncached, own->user, own->user_len) == KC_OK);
}

/* A key is made, wrapped, durable. */
static void first_use(struct hand *hand) {
  struct own *own = hand->own;
  char user[64];
  int len = sprintf(user, "new-%d-%lu-%llu", hand->number, own->made++, bench_now());
  encrypt_as(hand, store, user, (size_t)len);
}

int main(int argc, char **argv) {
  static const unsigned char master_key[KC_KEY_SIZE] = {1};
  static const struct work works[] = {
      {"encrypt", NULL, encrypt},
      {"decrypt", encrypt, decrypt},
      {"encrypt-one", NULL, encrypt_one},
      {"decrypt-one", encrypt_one, decrypt_one},
      {"key-encrypt", NULL, key_encrypt},
      {"key-decrypt", encrypt, key_decrypt},
      {"refuse", alter, refuse},
      {"uncached", encrypt, decrypt_uncached},
      {"first-use", NULL, first_use},
      {NULL, NULL, NULL},
  };
  kc_options options = KC_OPTIONS_INIT;
  const char *location = argc > 1 ? argv[1] : "bench.db";
  REQUIRE(kc_open(location, KC_NUL_TERMINATED, master_key, sizeof master_key, NULL, &store, NULL) == KC_OK);
  options.cache_users = KC_NONE;
  REQUIRE(kc_open(location, KC_NUL_TERMINATED, master_key, sizeof master_key, &options, &uncached, NULL) == KC_OK);
  return bench_main(works, make);
}
