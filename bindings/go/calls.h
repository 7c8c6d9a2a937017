// The calls of every day in a form that cgo takes without a check and without moving a buffer to the heap: no void pointer,
// and no struct with a pointer in it.

#include <keycask.h>

// kc_free for each type of handle: a ticket is no address, and never becomes a void pointer in Go.
static void kc_go_free_store(kc_store *store) { kc_free(store); }
static void kc_go_free_key(kc_key *key) { kc_free(key); }

static inline kc_call kc_go_call(uint32_t flags) {
	kc_call call = KC_CALL_INIT;
	call.flags = flags;
	return call;
}

static kc_status kc_go_encrypt(kc_store *store, const char *user, size_t user_len, const char *plaintext, size_t plaintext_len,
                               uint32_t flags, char *token, size_t capacity, size_t *token_len, kc_error *error) {
	const kc_call call = kc_go_call(flags);
	return kc_encrypt(store, user, user_len, plaintext, plaintext_len, &call, token, capacity, token_len, error);
}

static kc_status kc_go_decrypt(kc_store *store, const char *user, size_t user_len, const char *token, size_t token_len,
                               uint32_t flags, char *plaintext, size_t capacity, size_t *plaintext_len, kc_error *error) {
	const kc_call call = kc_go_call(flags);
	return kc_decrypt(store, user, user_len, token, token_len, &call, plaintext, capacity, plaintext_len, error);
}

static kc_status kc_go_reencrypt(kc_store *store, const char *user, size_t user_len, const char *token, size_t token_len,
                                 uint32_t flags, char *new_token, size_t capacity, size_t *new_len, kc_error *error) {
	const kc_call call = kc_go_call(flags);
	return kc_reencrypt(store, user, user_len, token, token_len, &call, new_token, capacity, new_len, error);
}

static kc_status kc_go_user_key(kc_store *store, const char *user, size_t user_len, uint32_t flags, kc_key **key,
                                kc_error *error) {
	const kc_call call = kc_go_call(flags);
	return kc_user_key(store, user, user_len, &call, key, error);
}

static kc_status kc_go_key_encrypt(kc_key *key, const char *plaintext, size_t plaintext_len, uint32_t flags, char *token,
                                   size_t capacity, size_t *token_len, kc_error *error) {
	const kc_call call = kc_go_call(flags);
	return kc_key_encrypt(key, plaintext, plaintext_len, &call, token, capacity, token_len, error);
}

static kc_status kc_go_key_decrypt(kc_key *key, const char *token, size_t token_len, uint32_t flags, char *plaintext,
                                   size_t capacity, size_t *plaintext_len, kc_error *error) {
	const kc_call call = kc_go_call(flags);
	return kc_key_decrypt(key, token, token_len, &call, plaintext, capacity, plaintext_len, error);
}
