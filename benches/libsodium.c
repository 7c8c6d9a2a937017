/* The same token by libsodium: crypto_aead_aes256gcm with its key expanded once, randombytes, sodium_bin2base64. */

#include "bench.h"

#include <sodium.h>

static void make(struct hand *hand) {
  static const unsigned char key[32] = {1};
  hand->own = sodium_malloc(sizeof(crypto_aead_aes256gcm_state) + 16);
  REQUIRE(hand->own && ((size_t)hand->own & 15) == 0);
  REQUIRE(crypto_aead_aes256gcm_beforenm(hand->own, key) == 0);
}

static void encrypt(struct hand *hand) {
  unsigned char *sealed = hand->scratch;
  randombytes_buf(sealed, 12);
  REQUIRE(crypto_aead_aes256gcm_encrypt_afternm(sealed + 12, NULL, hand->plaintext, hand->size, NULL, 0, NULL, sealed,
                                                hand->own) == 0);
  size_t len = sodium_base64_encoded_len(hand->size + 28, sodium_base64_VARIANT_URLSAFE);
  memcpy(hand->token, "v2:", 3);
  sodium_bin2base64(hand->token + 3, len, sealed, hand->size + 28, sodium_base64_VARIANT_URLSAFE);
  hand->token_len = 3 + len - 1;
}

static int opened(struct hand *hand) {
  unsigned char *sealed = hand->scratch;
  size_t len;
  REQUIRE(sodium_base642bin(sealed, MOST_SIZE + 28, hand->token + 3, hand->token_len - 3, NULL, &len, NULL,
                            sodium_base64_VARIANT_URLSAFE) == 0);
  return crypto_aead_aes256gcm_decrypt_afternm(hand->opened, NULL, NULL, sealed + 12, len - 12, NULL, 0, sealed,
                                               hand->own) == 0;
}

static void decrypt(struct hand *hand) { REQUIRE(opened(hand)); }

static void alter(struct hand *hand) {
  encrypt(hand);
  hand->token[20] = hand->token[20] == 'A' ? 'B' : 'A';
}

static void refuse(struct hand *hand) { REQUIRE(!opened(hand)); }

int main(void) {
  static const struct work works[] = {
      {"encrypt", NULL, encrypt}, {"decrypt", encrypt, decrypt}, {"refuse", alter, refuse}, {NULL, NULL, NULL}};
  REQUIRE(sodium_init() >= 0 && crypto_aead_aes256gcm_is_available());
  return bench_main(works, make);
}
