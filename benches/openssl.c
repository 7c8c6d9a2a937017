/* The same token by OpenSSL: `openssl reused`, one context a thread whose key stays, or `openssl fresh`, one a token.
 * Its base64 has the standard alphabet; that the token's is another is given to it. */

#include "bench.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

static const unsigned char KEY[32] = {1};
static int reused;
static EVP_CIPHER *aes;

struct own {
  EVP_CIPHER_CTX *sealing, *opening;
};

static EVP_CIPHER_CTX *context(int encrypting) {
  EVP_CIPHER_CTX *made = EVP_CIPHER_CTX_new();
  REQUIRE(made && EVP_CipherInit_ex2(made, aes, KEY, NULL, encrypting, NULL));
  return made;
}

static void make(struct hand *hand) {
  struct own *own = calloc(1, sizeof *own);
  REQUIRE(own);
  own->sealing = context(1);
  own->opening = context(0);
  hand->own = own;
}

static void encrypt(struct hand *hand) {
  struct own *own = hand->own;
  EVP_CIPHER_CTX *cipher = reused ? own->sealing : context(1);
  unsigned char *sealed = hand->scratch;
  int len, rest;
  REQUIRE(RAND_bytes(sealed, 12) == 1);
  REQUIRE(EVP_EncryptInit_ex2(cipher, NULL, NULL, sealed, NULL));
  REQUIRE(EVP_EncryptUpdate(cipher, sealed + 12, &len, hand->plaintext, (int)hand->size));
  REQUIRE(EVP_EncryptFinal_ex(cipher, sealed + 12 + len, &rest));
  REQUIRE(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_GET_TAG, 16, sealed + 12 + hand->size));
  memcpy(hand->token, "v2:", 3);
  hand->token_len = 3 + (size_t)EVP_EncodeBlock((unsigned char *)hand->token + 3, sealed, (int)hand->size + 28);
  if (!reused) EVP_CIPHER_CTX_free(cipher);
}

static int opened(struct hand *hand) {
  struct own *own = hand->own;
  EVP_CIPHER_CTX *cipher = reused ? own->opening : context(0);
  unsigned char *sealed = hand->scratch;
  int len, rest;
  size_t text_len = hand->token_len - 3;
  int decoded = EVP_DecodeBlock(sealed, (unsigned char *)hand->token + 3, (int)text_len);
  REQUIRE(decoded > 28);
  for (size_t at = hand->token_len; hand->token[at - 1] == '='; at--) decoded--;
  int size = decoded - 28;
  REQUIRE(EVP_DecryptInit_ex2(cipher, NULL, NULL, sealed, NULL));
  REQUIRE(EVP_DecryptUpdate(cipher, hand->opened, &len, sealed + 12, size));
  REQUIRE(EVP_CIPHER_CTX_ctrl(cipher, EVP_CTRL_AEAD_SET_TAG, 16, sealed + 12 + size));
  int fine = EVP_DecryptFinal_ex(cipher, hand->opened + len, &rest);
  if (!reused) EVP_CIPHER_CTX_free(cipher);
  return fine > 0;
}

static void decrypt(struct hand *hand) { REQUIRE(opened(hand)); }

static void alter(struct hand *hand) {
  encrypt(hand);
  hand->token[20] = hand->token[20] == 'A' ? 'B' : 'A';
}

static void refuse(struct hand *hand) { REQUIRE(!opened(hand)); }

int main(int argc, char **argv) {
  static const struct work works[] = {
      {"encrypt", NULL, encrypt}, {"decrypt", encrypt, decrypt}, {"refuse", alter, refuse}, {NULL, NULL, NULL}};
  REQUIRE(argc == 2);
  reused = strcmp(argv[1], "reused") == 0;
  aes = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
  REQUIRE(aes);
  return bench_main(works, make);
}
