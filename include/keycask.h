/*
 * keycask.h: keeps other people's API keys.
 *
 * A service that acts for its users holds their keys: OpenAI's, Stripe's, anyone's. keycask gives every user an
 * AES-256-GCM key of their own, wraps each by one master key, and keeps the wrapped keys in a key store, an SQLite
 * file. What the program stores elsewhere, in Redis or in a column, are short text tokens that only the right
 * user's key opens.
 *
 * The whole use:
 *
 *     kc_error error;
 *     kc_store *store;
 *     char token[256], secret[256];
 *
 *     if (kc_open("keys.db", KC_NUL_TERMINATED, NULL, KC_FROM_ENVIRONMENT, NULL, &store, &error) != KC_OK
 *         || kc_encrypt(store, "alice", KC_NUL_TERMINATED, "sk-alice-1234", 13, NULL,
 *                       token, sizeof token, NULL, &error) != KC_OK
 *         || kc_decrypt(store, "alice", KC_NUL_TERMINATED, token, KC_NUL_TERMINATED, NULL,
 *                       secret, sizeof secret, NULL, &error) != KC_OK)
 *         fprintf(stderr, "%s\n", error.message);
 *     kc_wipe(secret, sizeof secret);
 *     kc_free(store);
 *
 *
 * THE RULES, the same for every function
 *
 * Ownership     The library never hands out memory and never calls back. The caller owns every buffer; handles are
 *               the only things to free, with kc_free.
 *
 * Pointers      Each is NULL, or valid for the length or type that comes with it for the whole call. No alignment is
 *               needed. Everything else about them is checked.
 *
 * Input         Pointer and length in bytes, so a NUL is a byte like others. (NULL, 0) is the empty input. The
 *               length of a `const char *` may be KC_NUL_TERMINATED. (NULL, n), a length over PTRDIFF_MAX, and
 *               KC_NUL_TERMINATED for a `const void *` are KC_E_ARGUMENT.
 *
 * Output        Written on success alone; a handle output is NULL after a failure. A `char *` output ends in a NUL
 *               that its length does not count and its capacity must hold. A `void *` output takes exactly its
 *               length, and a NUL follows where there is room. A length output may be NULL. Too small: KC_E_BUFFER,
 *               the length output is the capacity that would do, and nothing else is touched; (NULL, 0) asks for the
 *               size. Outputs must not overlap inputs nor each other (KC_E_ARGUMENT).
 *
 * Checks        Arguments first (NULL, lengths, limits, UTF-8, flags), then the handle, the token's form, the
 *               capacity; only then the store is touched. So KC_E_BUFFER never makes a key.
 *
 * Handles       What a kc_store * or kc_key * holds is a ticket, not an address. One that is stale, foreign, NULL or
 *               of the wrong type gives KC_E_HANDLE, never undefined behaviour. kc_free may run while calls are in
 *               flight in other threads: they finish. Freeing a store ends the keys that came from it: their calls
 *               give KC_E_HANDLE, and each is still freed once, with KC_OK.
 *
 * Errors        A negative kc_status, and in *error a message for people: what was found, what was expected, what to
 *               do. It holds no secret, no token, no plaintext and no password of a URL. error may be NULL. error is
 *               no output in the sense above. Besides those that a function names, any may give KC_E_INTERNAL: a
 *               defect of keycask, which the process survives; Rust's own words on it go to standard error. A
 *               function without a status then answers 0 or an empty text.
 *               KC_E_MEMORY is for what grows with your input and for the store; without memory for a few hundred
 *               bytes the process aborts.
 *
 * Threads       Every function may be called from any thread at any time on any handle. Not from a signal handler.
 *
 * Fork          A handle opened before fork works in the child; the two share no file lock and repeat no nonce. A fork
 *               waits for keycask 100 ms at most. Where a call on the store was still under way then, and after a
 *               bare clone, the child's calls on that store give KC_E_UNSUPPORTED until it opens it anew; its cached
 *               keys work on.
 *
 * Memory        Keys lie in pages of their own, left out of core dumps, locked as far as half of RLIMIT_MEMLOCK
 *               reaches, and wiped when they are given back. Where that is not far enough, kc_stats tells.
 *
 * Nonces        Random, from the kernel: by the vDSO where it has getrandom (Linux 6.11), else up to 32 ahead for a
 *               thread. No fork, thread or clone of this process repeats one; of a cloned virtual machine, see the
 *               caveats. A user's key is drawn by a system call of its own.
 *
 * Freshness     What another process changes, a key removed or replaced, the file replaced by a restored backup,
 *               holds here within about a second. While the store is locked, cached keys serve until five seconds
 *               after it was last seen; then the call waits, and fails with the cause (KC_E_BUSY, KC_E_IO). A
 *               refused token is reported only after the store was seen unchanged.
 *
 * Limits        User: 1 to 4,096 bytes of UTF-8. Plaintext: up to 64 MiB. Location: up to 4,096 bytes; its file's
 *               absolute path: up to 504. Master keys: up to 16. Beyond: KC_E_LIMIT.
 *
 * Structs       Those with a size grow at their end only. Set size to sizeof, as the _INIT macros do. Shorter than
 *               the first release's is KC_E_ARGUMENT; bytes that this release does not know must be zero, and more
 *               than 4,096 bytes are too many (KC_E_UNSUPPORTED).
 *
 * For ever      Numbers of statuses and flags, what is said here, and the data: docs/format.md. The SONAME,
 *               libkeycask.so.1, carries the version of this interface alone.
 *
 *
 * CAVEATS, each with its remedy
 *
 * A secret that ends in garbage.   The plaintext is bytes, and its NUL follows only where there is room. Give
 *     kc_decrypted_size(token_len) bytes, or use the length output.
 *
 * Tokens that do not open.   KC_E_FORMAT for what is no token, often plaintext from before tokens: ask
 *     kc_is_encrypted first. KC_E_AUTHENTICATION for a token of another user, of another store, or cut and
 *     pasted badly.
 *
 * Plaintext taken for granted.   Who can write where your tokens lie can take the "v2:" off, and the value looks
 *     like legacy plaintext. When all values have been encrypted, refuse what kc_is_encrypted denies.
 *
 * The old master key, deleted too early.   Backups, services not yet restarted and rows not yet moved need it.
 *     docs/operations.md has the steps; kc_rewrap says when nothing hangs on it any more.
 *
 * Too many messages under one key.   Random nonces allow 2^32 messages a key. No user gets there; a pool key
 *     does, at 1,000 a second, after 50 days. Spread the load over users.
 *
 * A process that is resumed twice.   A snapshot of a process (CRIU, a serverless platform's) holds random bytes
 *     kept ahead, and each resumption would use them as nonces: two secrets under one nonce lay each other open.
 *     Open with KC_OPEN_SNAPSHOTS before the first snapshot: every nonce of the process is then a system call. A
 *     virtual machine's clone needs it where the kernel is older than 6.11 or is not told of the cloning (VMGENID).
 *
 * A user by two names.   Users are compared byte by byte: "Alice" and "alice", or two Unicode forms of one name,
 *     are two users with a key each. Normalise before you call, the same way for ever.
 *
 * A changing environment.   KC_FROM_ENVIRONMENT calls getenv, which no thread may race with setenv. Open before
 *     threads start, or pass the key. It also stays readable in /proc: prefer API_KEY_MASTER_KEY_FILE.
 *
 * Secrets that stay in your memory.   keycask wipes its own buffers; plaintexts and raw keys that you received
 *     are yours to wipe, with kc_wipe.
 *
 * KC_E_BUSY from another program.   Someone holds a transaction open on the store's file. Keep transactions on
 *     it short, or raise busy_timeout_ms.
 *
 * A store beside a network.   SQLite's locks do not hold on NFS and its like. Keep the file on a local disk.
 *
 * A backup by cp.   A copy of a store in use can be torn. Copy it with kc_backup.
 */

#ifndef KC_KEYCASK_H
#define KC_KEYCASK_H

#include <stddef.h>
#include <stdint.h>

/** Warns where a status is dropped unread. */
#if defined(__GNUC__) || defined(__clang__)
#define KC_MUST_USE __attribute__((warn_unused_result))
#else
#define KC_MUST_USE
#endif

#ifdef __cplusplus
extern "C" {
#endif


/* Statuses -------------------------------------------------------------------------------------------------------- */

/**
 * What a call answers. 0: KC_OK. Negative: an error, one of KC_E_... Positive: success with news, where asked for.
 */
typedef int32_t kc_status;

#define KC_OK 0                       /**< Success. */
#define KC_STALE 1                    /**< Success, under a key no longer current. Only with KC_TELL_STALE. */
#define KC_END 2                      /**< Nothing follows: the walk has ended. Only from kc_next_user. */
#define KC_E_ARGUMENT (-1)            /**< NULL where something is needed, empty, not UTF-8, overlapping buffers. */
#define KC_E_HANDLE (-2)              /**< A handle that is NULL, stale, foreign or of the wrong type. */
#define KC_E_BUFFER (-3)              /**< Capacity too small; the length output says what would do. */
#define KC_E_FORMAT (-4)              /**< Not a token; perhaps plaintext from before tokens (kc_is_encrypted). */
#define KC_E_AUTHENTICATION (-5)      /**< The token was made under another key, or altered. */
#define KC_E_UNKNOWN_USER (-6)        /**< The store has no key for this user. */
#define KC_E_USER_DESTROYED (-7)      /**< The user was erased on purpose. */
#define KC_E_MASTER_KEY_MISSING (-8)  /**< No master key was given, and the environment holds none. */
#define KC_E_MASTER_KEY_INVALID (-9)  /**< Malformed: not base64 of 32 bytes, or no multiple of 32 bytes. */
#define KC_E_MASTER_KEY_WRONG (-10)   /**< The master keys do not open this store, or may not create in it. */
#define KC_E_CORRUPT (-11)            /**< A stored row is damaged, or the file is no SQLite database. */
#define KC_E_BUSY (-12)               /**< Others held the store's lock for longer than busy_timeout_ms. */
#define KC_E_IO (-13)                 /**< The system refused; kc_error.os_error says why. */
#define KC_E_READ_ONLY (-14)          /**< A write to what was opened, or is, read-only. */
#define KC_E_NOT_FOUND (-15)          /**< No such store. */
#define KC_E_EXISTS (-16)             /**< Would overwrite. */
#define KC_E_LIMIT (-17)              /**< Longer than a stated limit. */
#define KC_E_RANDOM (-18)             /**< The system's random source failed. Nothing was encrypted. */
#define KC_E_MEMORY (-19)             /**< Out of memory. */
#define KC_E_WOULD_BLOCK (-20)        /**< KC_CACHED_ONLY, and the answer is not cached. */
#define KC_E_UNSUPPORTED (-21)        /**< Unknown to this release: a flag, field, scheme, token version, database. */
#define KC_E_INTERNAL (-99)           /**< A defect of keycask. The process goes on. */


/* Errors ---------------------------------------------------------------------------------------------------------- */

/**
 * Why a call failed, in full. Every function that takes one accepts NULL, and leaves it untouched on success.
 */
typedef struct kc_error {
  kc_status status;      /**< What the call returned. */
  int32_t os_error;      /**< The system's error number (errno), or 0. */
  int32_t engine_error;  /**< The engine's error number (SQLite's extended result code), or 0. */
  int32_t reserved;      /**< 0. */
  char message[496];     /**< For people, in English (UTF-8, ends in a NUL): found, expected, what to do. */
} kc_error;


/* Lengths --------------------------------------------------------------------------------------------------------- */

#define KC_NUL_TERMINATED SIZE_MAX    /**< As the length of a const char * input: it ends at its NUL. */
#define KC_FROM_ENVIRONMENT SIZE_MAX  /**< As master_keys_len: in API_KEY_MASTER_KEY and its like. */
#define KC_KEY_SIZE 32                /**< The bytes of a raw key: master keys, users' keys, imported ones. */
#define KC_HASH_SIZE 65               /**< A capacity for a lookup hash: 64 hex digits and a NUL. */
#define KC_MASTER_KEY_TEXT_SIZE 45    /**< A capacity for a master key's text: 44 characters and a NUL. */


/* Handles --------------------------------------------------------------------------------------------------------- */

/**
 * A key: a user's, the pool's, or an imported one. Made by kc_user_key, kc_pool_key, kc_key_import, ended by kc_free.
 */
typedef struct kc_key kc_key;

/**
 * An open key store. Made by kc_open, ended by kc_free. Incomplete for ever: what C holds is a ticket, not an address.
 */
typedef struct kc_store kc_store;


/* How a store is opened ------------------------------------------------------------------------------------------- */

#define KC_NONE UINT32_MAX    /**< In a field of kc_options: none, where zero would mean the default. */
#define KC_OPEN_READ_ONLY 1   /**< Never write, not even to roll back what a crashed program left. */
#define KC_OPEN_MUST_EXIST 2  /**< KC_E_NOT_FOUND rather than make a store that is missing. */

/**
 * This process will be snapshotted, and resumed more than once: from now on it takes every nonce, of any handle, by a
 * system call, so that nothing kept ahead is resumed twice. Open so before the first snapshot.
 */
#define KC_OPEN_SNAPSHOTS 4

/**
 * From now on this process locks no memory for keys, of any handle. Else they are never swapped out, as far as half of
 * RLIMIT_MEMLOCK reaches, master keys and pool keys first; kc_stats tells what is locked.
 */
#define KC_OPEN_UNLOCKED 8

/**
 * How kc_open opens. Begin with KC_OPTIONS_INIT; zero means the default.
 */
typedef struct kc_options {
  uint32_t size;             /**< sizeof(kc_options). */
  uint32_t flags;            /**< KC_OPEN_... bits. */
  uint32_t busy_timeout_ms;  /**< How long a call waits for others' locks. Default: 5,000. KC_NONE: not at all. */
  uint32_t cache_users;      /**< Users whose keys are kept unwrapped. Default: 65,536. KC_NONE: none. */
} kc_options;

/** Every field at its default. */
#define KC_OPTIONS_INIT { sizeof(kc_options), 0, 0, 0 }


/* How a call behaves ---------------------------------------------------------------------------------------------- */

#define KC_EXISTING 1     /**< Never make a key for an unknown user (KC_E_UNKNOWN_USER). */
#define KC_CACHED_ONLY 2  /**< KC_E_WOULD_BLOCK rather than touch the store: microseconds, or an error. */
#define KC_STRICT 4       /**< Take tokens in canonical form alone, as kc_encrypt writes them. */
#define KC_TELL_STALE 8   /**< KC_STALE when a decrypt succeeded with a key that is no longer current. */

/**
 * How one call behaves. NULL means plainly; else begin with KC_CALL_INIT.
 */
typedef struct kc_call {
  uint32_t size;                /**< sizeof(kc_call). */
  uint32_t flags;               /**< KC_EXISTING, ... A known bit that changes nothing is accepted. */
  const void *associated_data;  /**< Reserved for v3: with v2, other than empty is KC_E_UNSUPPORTED. */
  size_t associated_data_len;   /**< Bytes of associated_data. */
} kc_call;

/** No flags. */
#define KC_CALL_INIT { sizeof(kc_call), 0, NULL, 0 }


/* About the library ----------------------------------------------------------------------------------------------- */

/**
 * The library's version, such as "1.0.0" (semantic versioning). Static; not to be freed.
 */
const char *kc_version(void);

/**
 * The version of this C interface, as in the SONAME: 1. It changes only when a program built against this
 * header would no longer work.
 */
uint32_t kc_abi_version(void);

/**
 * A short English text for a status, such as "unknown user". Static, never NULL, also for numbers that are
 * none.
 */
const char *kc_status_text(kc_status status);

/**
 * How many handles are open in this process, of every kind. A test that ends with another count than it began
 * with has found a leak.
 */
size_t kc_handle_count(void);

/**
 * Overwrites len bytes at memory with zeroes, in a way that no compiler removes. For buffers of yours that
 * held a secret. NULL, and a length that no object has, are left alone.
 */
void kc_wipe(void *memory, size_t len);


/* The store ------------------------------------------------------------------------------------------------------- */

/**
 * Opens the key store at location, and makes it where it is missing: its folders (mode 0700), its file (mode
 * 0600, whatever the umask), its table. A store that the Python module made opens as it is and is not written
 * to.
 *
 * location: the path of an SQLite file, up to 4,096 bytes of UTF-8, or ":memory:" for a store that ends with
 * its handle. A relative path is made absolute, and symbolic links are resolved, now and once.
 *
 * master_keys: n x 32 bytes, n from 1 to 16, the current one first. Keys under any of them open; new ones are
 * wrapped under the first. (NULL, KC_FROM_ENVIRONMENT): the one in API_KEY_MASTER_KEY, else in the file that
 * API_KEY_MASTER_KEY_FILE names, and behind it those in API_KEY_MASTER_KEY_PREVIOUS, separated by commas, else
 * in the file that API_KEY_MASTER_KEY_PREVIOUS_FILE names; the pointer must be NULL, and no other thread may
 * change the environment meanwhile (getenv). They are copied, and wiped by kc_free; yours are yours to wipe.
 *
 * options: NULL for the defaults. store: receives the handle, to be freed with kc_free.
 *
 * The wrong master key is refused here, before anything is written (KC_E_MASTER_KEY_WRONG). It is wrong when
 * none of the given ones is registered in the store as active, or, where none is registered yet, when none of
 * them opens any of the first 1,000 keys. An empty store takes any.
 *
 * Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_MASTER_KEY_MISSING, KC_E_MASTER_KEY_INVALID, KC_E_MASTER_KEY_WRONG,
 * KC_E_NOT_FOUND (with KC_OPEN_MUST_EXIST or KC_OPEN_READ_ONLY), KC_E_READ_ONLY (the file cannot be written,
 * and KC_OPEN_READ_ONLY was not given), KC_E_IO (a directory, a folder that cannot be made, a key file that
 * cannot be read), KC_E_CORRUPT (no SQLite file), KC_E_UNSUPPORTED (a FIFO, a device, a database of something
 * else, a scheme, a newer store, an unknown flag), KC_E_BUSY, KC_E_RANDOM, KC_E_MEMORY.
 */
KC_MUST_USE
kc_status kc_open(const char *location,
                  size_t location_len,
                  const void *master_keys,
                  size_t master_keys_len,
                  const kc_options *options,
                  kc_store **store,
                  kc_error *error);

/**
 * Ends a handle of any kind. NULL is KC_OK; a handle that was freed before, or never came from keycask, is
 * KC_E_HANDLE and does no harm.
 *
 * Calls in flight on the handle in other threads finish first or after; none of them meets freed memory. What
 * the handle kept is wiped when the last of them has returned. Freeing a store ends the key handles that came
 * from it: their calls give KC_E_HANDLE from then on, and each of them is still freed once, with KC_OK.
 *
 * May be called without looking at the result: the one function whose unused status is no warning.
 */
kc_status kc_free(void *handle);


/* A user's secret, to a token and back ---------------------------------------------------------------------------- */

/**
 * Encrypts a secret of a user to a token: text of kc_encrypted_size(plaintext_len) - 1 characters, to be kept
 * anywhere. The same plaintext gives another token each time.
 *
 * user: 1 to 4,096 bytes of UTF-8. A user without a key gets one, durable before this returns; with
 * KC_EXISTING they do not (KC_E_UNKNOWN_USER). plaintext: up to 64 MiB of any bytes, none of them treated as
 * text.
 *
 * Most bytes written: kc_encrypted_size(plaintext_len) to token, its NUL included. token_len: without the NUL.
 *
 * With KC_CACHED_ONLY, KC_E_WOULD_BLOCK when the user's key is not cached.
 *
 * Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_UNSUPPORTED, KC_E_HANDLE, KC_E_BUFFER, KC_E_UNKNOWN_USER,
 * KC_E_USER_DESTROYED (see kc_erase_user), KC_E_WOULD_BLOCK, KC_E_MASTER_KEY_WRONG, KC_E_CORRUPT,
 * KC_E_READ_ONLY (a new user of a store opened read-only), KC_E_BUSY, KC_E_IO, KC_E_RANDOM, KC_E_MEMORY.
 */
KC_MUST_USE
kc_status kc_encrypt(kc_store *store,
                     const char *user,
                     size_t user_len,
                     const void *plaintext,
                     size_t plaintext_len,
                     const kc_call *call,
                     char *token,
                     size_t token_capacity,
                     size_t *token_len,
                     kc_error *error);

/**
 * Decrypts a token of a user. Never makes a key.
 *
 * token: what kc_encrypt or the Python module wrote. Taken too: no prefix, either base64 alphabet, no padding,
 * ASCII white space after the prefix; KC_STRICT takes the canonical form alone.
 *
 * Most bytes written: the plaintext's length, at most kc_decrypted_size(token_len); a NUL follows where there
 * is room. Nothing is written before the token has been authenticated.
 *
 * Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_HANDLE, KC_E_FORMAT (no token: perhaps plaintext from before
 * tokens), KC_E_UNSUPPORTED ("v3:", an unknown flag), KC_E_BUFFER, KC_E_UNKNOWN_USER, KC_E_USER_DESTROYED,
 * KC_E_AUTHENTICATION (another key's token, or altered), KC_E_WOULD_BLOCK, KC_E_MASTER_KEY_WRONG,
 * KC_E_CORRUPT, KC_E_READ_ONLY (a read-only opening meets what a crashed writer left), KC_E_BUSY, KC_E_IO,
 * KC_E_MEMORY.
 */
KC_MUST_USE
kc_status kc_decrypt(kc_store *store,
                     const char *user,
                     size_t user_len,
                     const char *token,
                     size_t token_len,
                     const kc_call *call,
                     void *plaintext,
                     size_t plaintext_capacity,
                     size_t *plaintext_len,
                     kc_error *error);

/**
 * The capacity that a token of plaintext_len bytes takes, its NUL included; exact. 0 when that is over the
 * limit of 64 MiB.
 */
size_t kc_encrypted_size(size_t plaintext_len);

/**
 * A capacity that serves for the plaintext of a token of token_len characters, and for a NUL behind it: a few
 * bytes more than a canonical token needs, more where there is white space in it. Not for KC_NUL_TERMINATED:
 * pass the length.
 */
size_t kc_decrypted_size(size_t token_len);

/**
 * 1 when value is a token, 0 when it is plaintext from before tokens. It looks at the first three characters
 * alone: "v2:", or "v3:", which is reserved. Whoever can write the value can take them off: once all values
 * are tokens, refuse the others rather than take them for plaintext.
 *
 * 0 also for NULL and for a length that cannot be; never negative.
 */
int32_t kc_is_encrypted(const char *value, size_t value_len);

/**
 * The lookup hash of an API key: SHA-256 as 64 lower-case hex digits, to find a key among many without keeping
 * it.
 *
 * It is unsalted: it confirms a guess, and equal keys have equal hashes. For keys of high entropy alone.
 *
 * Most bytes written: KC_HASH_SIZE to hex, its NUL included. hex_len: 64.
 *
 * Errors: KC_E_ARGUMENT, KC_E_BUFFER.
 */
KC_MUST_USE
kc_status kc_hash(const void *api_key,
                  size_t api_key_len,
                  char *hex,
                  size_t hex_capacity,
                  size_t *hex_len,
                  kc_error *error);


/* Keys as handles ------------------------------------------------------------------------------------------------- */

/**
 * The key of a user as a handle, for many values of one user. A user without a key gets one; with KC_EXISTING
 * they do not (KC_E_UNKNOWN_USER).
 *
 * key: receives the handle, to be freed with kc_free; it ends with its store.
 *
 * Errors: those of kc_encrypt but KC_E_BUFFER.
 */
KC_MUST_USE
kc_status kc_user_key(kc_store *store,
                      const char *user,
                      size_t user_len,
                      const kc_call *call,
                      kc_key **key,
                      kc_error *error);

/**
 * The key for values that belong to no single user, derived from the current master key (PBKDF2-HMAC-SHA256,
 * RFC 8018). The first call on a store costs its 100,000 rounds, some 12 ms, and no look at the store's file. It
 * opens what the pool keys of the other given master keys made too, and, where none of these does, those that
 * kc_rewrap has left in the store; KC_TELL_STALE tells it.
 *
 * key: receives the handle, to be freed with kc_free; it ends with its store.
 *
 * Errors: KC_E_ARGUMENT, KC_E_HANDLE, KC_E_MEMORY.
 */
KC_MUST_USE
kc_status kc_pool_key(kc_store *store,
                      kc_key **key,
                      kc_error *error);

/**
 * A key of your own as a handle: raw_len must be KC_KEY_SIZE. The bytes are copied, and wiped by kc_free. It
 * belongs to no store.
 *
 * Errors: KC_E_ARGUMENT (another length included), KC_E_MEMORY.
 */
KC_MUST_USE
kc_status kc_key_import(const void *raw, size_t raw_len, kc_key **key, kc_error *error);

/**
 * The key's bytes. Whoever has them opens every token made under it: wipe them with kc_wipe.
 *
 * Most bytes written: KC_KEY_SIZE to raw; a NUL follows where there is room.
 *
 * Errors: KC_E_ARGUMENT, KC_E_HANDLE, KC_E_BUFFER; of a user's key, which is read anew when its store has
 * changed, KC_E_UNKNOWN_USER, KC_E_USER_DESTROYED, KC_E_MASTER_KEY_WRONG, KC_E_CORRUPT, KC_E_UNSUPPORTED,
 * KC_E_READ_ONLY, KC_E_BUSY, KC_E_IO, KC_E_MEMORY.
 */
KC_MUST_USE
kc_status kc_key_export(kc_key *key,
                        void *raw,
                        size_t raw_capacity,
                        size_t *raw_len,
                        kc_error *error);

/**
 * kc_encrypt under a key in hand.
 *
 * Most bytes written: kc_encrypted_size(plaintext_len) to token, its NUL included. token_len: without the NUL.
 *
 * Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_UNSUPPORTED, KC_E_HANDLE, KC_E_BUFFER, KC_E_RANDOM, KC_E_MEMORY; of a
 * user's key KC_E_WOULD_BLOCK and those of kc_key_export.
 */
KC_MUST_USE
kc_status kc_key_encrypt(kc_key *key,
                         const void *plaintext,
                         size_t plaintext_len,
                         const kc_call *call,
                         char *token,
                         size_t token_capacity,
                         size_t *token_len,
                         kc_error *error);

/**
 * kc_decrypt under a key in hand.
 *
 * Most bytes written: the plaintext's length, at most kc_decrypted_size(token_len); a NUL follows where there
 * is room.
 *
 * Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_HANDLE, KC_E_FORMAT, KC_E_UNSUPPORTED ("v3:"), KC_E_BUFFER,
 * KC_E_AUTHENTICATION, KC_E_MEMORY; of a user's key, and where the pool's earlier keys are looked for in the store,
 * KC_E_WOULD_BLOCK and those of kc_key_export.
 */
KC_MUST_USE
kc_status kc_key_decrypt(kc_key *key,
                         const char *token,
                         size_t token_len,
                         const kc_call *call,
                         void *plaintext,
                         size_t plaintext_capacity,
                         size_t *plaintext_len,
                         kc_error *error);


/* The master key as text, as API_KEY_MASTER_KEY holds it ---------------------------------------------------------- */

/**
 * Makes a new master key and writes its text: 44 characters of url-safe base64.
 *
 * Most bytes written: KC_MASTER_KEY_TEXT_SIZE to text, its NUL included. text_len: 44.
 *
 * Errors: KC_E_ARGUMENT, KC_E_BUFFER, KC_E_RANDOM.
 */
KC_MUST_USE
kc_status kc_master_key_generate(char *text,
                                 size_t text_capacity,
                                 size_t *text_len,
                                 kc_error *error);

/**
 * The bytes of a master key's text, as kc_open takes them. Read as the Python module reads it: either base64
 * alphabet, white space or quotes around it, with padding or without.
 *
 * Most bytes written: KC_KEY_SIZE to raw; a NUL follows where there is room. Wipe them with kc_wipe.
 *
 * Errors: KC_E_ARGUMENT, KC_E_BUFFER, KC_E_MASTER_KEY_INVALID (not 32 bytes, blank included).
 */
KC_MUST_USE
kc_status kc_master_key_decode(const char *text,
                               size_t text_len,
                               void *raw,
                               size_t raw_capacity,
                               size_t *raw_len,
                               kc_error *error);


/* Operations ------------------------------------------------------------------------------------------------------ */

/**
 * Moves up to limit keys, users' and the store's own, from earlier master keys to the current one, in short
 * transactions that let readers and writers through. Call it until *remaining is 0.
 *
 * It moves from those given master keys that were registered in the store before the current one, and marks
 * them first, so that no process creates anything under them any more (KC_E_MASTER_KEY_WRONG; it reads on).
 * When all has been moved, the file is written anew without what was overwritten, and they are retired for
 * ever. Their pool keys are kept, wrapped by the current master key: values of the pool stay readable.
 *
 * limit: at least 1. done: receives how many keys this call moved. remaining: about how many may still have
 * to be moved; 0: the earlier master keys that were given open nothing in the store, and no running keycask
 * can change that. skipped: how many damaged rows were met, which no given master key opens, and which are
 * left as they are; kc_next_user names them. Each of the three may be NULL.
 *
 * Killed at any moment it loses nothing: call it again. Several may run at once. Run with the old key in
 * front, it moves nothing.
 *
 * Errors: KC_E_ARGUMENT, KC_E_HANDLE, KC_E_MASTER_KEY_WRONG (the current master key is itself being retired;
 * a row is under a master key that was not given), KC_E_READ_ONLY, KC_E_CORRUPT, KC_E_UNSUPPORTED, KC_E_BUSY,
 * KC_E_IO (a full disk), KC_E_RANDOM, KC_E_MEMORY.
 */
KC_MUST_USE
kc_status kc_rewrap(kc_store *store,
                    uint64_t limit,
                    uint64_t *done,
                    uint64_t *remaining,
                    uint64_t *skipped,
                    kc_error *error);

/**
 * Erases a user: their key and all earlier ones are destroyed, and with them every secret of theirs, wherever
 * its token lies. When this returns, the keys' bytes are neither in the tables nor in free or slack space of
 * the file nor in the WAL; where they are found there, the file is written anew. No process uses the key a
 * second later, five while the store is locked, but a child whose fork cut a call on the store (see Fork, above).
 *
 * The user is marked, so that no key is silently made anew: their calls give KC_E_USER_DESTROYED, whatever
 * another program writes into the key table, until kc_restore_user. A user without a key can be marked too;
 * to erase twice is KC_OK. What cannot be reached: backups, blocks of deleted journals on the disk, see
 * docs/operations.md.
 *
 * Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_HANDLE, KC_E_BUSY (the user is erased, and somebody keeps the file
 * from being cleaned: call again), KC_E_IO (a full disk: likewise), KC_E_MASTER_KEY_WRONG, KC_E_READ_ONLY,
 * KC_E_CORRUPT, KC_E_UNSUPPORTED, KC_E_RANDOM, KC_E_MEMORY.
 */
KC_MUST_USE
kc_status kc_erase_user(kc_store *store,
                        const char *user,
                        size_t user_len,
                        kc_error *error);

/**
 * Lifts the mark of an erased user: their next use makes a new key. Old tokens stay dead, and a row that
 * another program made meanwhile is dropped. Of a user who was not erased nothing changes, KC_OK.
 *
 * Errors: those of kc_erase_user.
 */
KC_MUST_USE
kc_status kc_restore_user(kc_store *store, const char *user, size_t user_len, kc_error *error);

/**
 * Gives a user another key, after a leak of theirs. New tokens are made under it; the earlier key is kept for
 * reading until kc_forget_versions. kc_reencrypt turns a token into one under the new key, and KC_TELL_STALE
 * says which need it.
 *
 * The key table holds the new key: the Python module, and whoever reads the table themselves, open new tokens
 * alone. Programs on keycask open both.
 *
 * Errors: those of kc_erase_user, KC_E_UNKNOWN_USER, KC_E_USER_DESTROYED.
 */
KC_MUST_USE
kc_status kc_rotate_user(kc_store *store, const char *user, size_t user_len, kc_error *error);

/**
 * Destroys a user's earlier keys, as thoroughly as kc_erase_user does, when every token has been encrypted
 * anew: only then does a leak of one end. Without earlier keys nothing changes, KC_OK.
 *
 * Errors: those of kc_erase_user.
 */
KC_MUST_USE
kc_status kc_forget_versions(kc_store *store, const char *user, size_t user_len, kc_error *error);

/**
 * Turns a token of a user into one under their current key, after it has looked which that is.
 *
 * Most bytes written: kc_encrypted_size of the plaintext's length to new_token, its NUL included; a canonical
 * token's own length and NUL serve. With KC_TELL_STALE, KC_STALE where the token was under an earlier key,
 * and KC_OK where it was current already.
 *
 * Errors: those of kc_decrypt, KC_E_RANDOM.
 */
KC_MUST_USE
kc_status kc_reencrypt(kc_store *store,
                       const char *user,
                       size_t user_len,
                       const char *token,
                       size_t token_len,
                       const kc_call *call,
                       char *new_token,
                       size_t new_token_capacity,
                       size_t *new_token_len,
                       kc_error *error);

/**
 * Copies the store to a new file, consistent while everybody works on: made with mode 0600, synced, opened
 * and checked before it gets its name. Nothing is ever overwritten, and on a failure nothing is left behind.
 *
 * location: the path of a file that does not exist, up to 4,096 bytes of UTF-8. The folder must exist, and
 * allow hard links. docs/operations.md says how a backup is put back.
 *
 * Errors: KC_E_ARGUMENT, KC_E_LIMIT, KC_E_HANDLE, KC_E_EXISTS, KC_E_IO (a full disk, no such folder),
 * KC_E_CORRUPT (the copy is damaged), KC_E_UNSUPPORTED (a URL), KC_E_BUSY, KC_E_RANDOM, KC_E_MEMORY.
 */
KC_MUST_USE
kc_status kc_backup(kc_store *store, const char *location, size_t location_len, kc_error *error);


/* Looking through a store ----------------------------------------------------------------------------------------- */

#define KC_MASTER_KEY_UNREGISTERED 0  /**< In a kc_check_report: what the store knows of a master key. Nothing. */
#define KC_MASTER_KEY_ACTIVE 1        /**< It opens and creates. */
#define KC_MASTER_KEY_RETIRING 2      /**< It opens; what hangs on it is being moved. */
#define KC_MASTER_KEY_RETIRED 3       /**< It opens nothing in the store any more. */

/**
 * What kc_check found. Begin with KC_CHECK_REPORT_INIT.
 */
typedef struct kc_check_report {
  uint32_t size;            /**< sizeof(kc_check_report). */
  uint32_t findings;        /**< What SQLite itself found wrong: 0, or how many findings (100 at most). */
  uint64_t users;           /**< Users with a row in the key table. */
  uint64_t good;            /**< Of these, with a key that opens to 32 bytes. */
  uint64_t damaged;         /**< With one that does not. */
  uint64_t unopened;        /**< With one that may be under a master key that was not given. */
  uint64_t versions;        /**< Earlier keys of users. */
  uint64_t damaged_others;  /**< Earlier keys, and keys of the store's own, that do not open. */
  uint64_t erased;          /**< Users who were erased. */
  uint64_t lacking;         /**< Master keys that the store uses and that were not given. */
  uint64_t keys[16];        /**< Keys that each given master key wraps, in the order of kc_open. */
  uint32_t states[16];      /**< KC_MASTER_KEY_..., in the same order. */
  char finding[160];        /**< SQLite's first finding; ends in a NUL. */
} kc_check_report;

/**
 * Where a walk over the users stands. Begin with KC_USER_WALK_INIT.
 */
typedef struct kc_user_walk {
  uint32_t size;      /**< sizeof(kc_user_walk). */
  uint32_t begun;     /**< keycask's own, as all below. */
  uint64_t place[4];  /**< Leave it as it is. */
} kc_user_walk;

/**
 * What kc_next_user knows of a user. Begin with KC_USER_INFO_INIT.
 */
typedef struct kc_user_info {
  uint32_t size;        /**< sizeof(kc_user_info). */
  kc_status key;        /**< KC_OK; KC_E_CORRUPT; KC_E_MASTER_KEY_WRONG: one was not given. */
  uint32_t master_key;  /**< The given master key that wraps it: 1 for the first; 0: none. */
  uint32_t reserved;    /**< 0. */
  uint64_t versions;    /**< Earlier keys that are kept. */
  char created_at[40];  /**< When the key was made: UTC, ISO 8601; ends in a NUL. */
} kc_user_info;

/**
 * What an open store has done. Begin with KC_STORE_STATS_INIT.
 */
typedef struct kc_store_stats {
  uint32_t size;            /**< sizeof(kc_store_stats). */
  uint32_t reserved;        /**< 0. */
  uint64_t cached_users;    /**< Users whose keys are cached now. */
  uint64_t hits;            /**< Calls that found their key in the cache. */
  uint64_t misses;          /**< Calls that did not. */
  uint64_t store_reads;     /**< Reading transactions. */
  uint64_t commits;         /**< Writing transactions. */
  uint64_t busy_waits;      /**< Times that a call waited for a lock of others. */
  uint64_t handles;         /**< Handles open in this process, as kc_handle_count. */
  uint64_t locked_bytes;    /**< Bytes of keys and their schedules in this process's locked memory. */
  uint64_t unlocked_bytes;  /**< Bytes of them in memory that could not be locked, or was not to be. */
} kc_store_stats;

/**
 * Looks at every row: whether it opens, to what length, under which master key; then has SQLite check its
 * file. It writes nothing, and lets others work.
 *
 * report: receives what was found. KC_OK says that the check was made, not that all is well: look at
 * findings, damaged, unopened and damaged_others. kc_next_user names the damaged users.
 *
 * Errors: KC_E_ARGUMENT, KC_E_HANDLE, KC_E_CORRUPT, KC_E_READ_ONLY (a read-only opening meets what a crashed
 * writer left), KC_E_UNSUPPORTED, KC_E_BUSY, KC_E_IO, KC_E_MEMORY.
 */
KC_MUST_USE
kc_status kc_check(kc_store *store, kc_check_report *report, kc_error *error);

/**
 * The next user of a walk over all users with a row, one a call, in no order that means anything. KC_END
 * behind the last.
 *
 * walk: where the walk stands; it is moved on success alone, so that a user whose name did not fit comes
 * again. Several walks may go on at once; users who come meanwhile may be missed. Most bytes written:
 * user_len + 1 to user. A row that has no text for a user, or an empty one, gives length 0. info may be NULL.
 *
 * Errors: KC_E_ARGUMENT, KC_E_HANDLE, KC_E_BUFFER, KC_E_BUSY (the file was rebuilt or replaced meanwhile:
 * begin anew), KC_E_CORRUPT, KC_E_READ_ONLY, KC_E_UNSUPPORTED, KC_E_IO, KC_E_MEMORY.
 */
KC_MUST_USE
kc_status kc_next_user(kc_store *store,
                       kc_user_walk *walk,
                       char *user,
                       size_t user_capacity,
                       size_t *user_len,
                       kc_user_info *info,
                       kc_error *error);

/**
 * What this store has done since it was opened. It does not touch the store's file.
 *
 * Errors: KC_E_ARGUMENT, KC_E_HANDLE.
 */
KC_MUST_USE
kc_status kc_stats(kc_store *store, kc_store_stats *stats, kc_error *error);

/** Nothing found yet. */
#define KC_CHECK_REPORT_INIT { sizeof(kc_check_report), 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 }, { 0 }, { 0 } }
/** Before the first user. */
#define KC_USER_WALK_INIT { sizeof(kc_user_walk), 0, { 0 } }
/** Nothing known yet. */
#define KC_USER_INFO_INIT { sizeof(kc_user_info), 0, 0, 0, 0, { 0 } }
/** Nothing counted yet. */
#define KC_STORE_STATS_INIT { sizeof(kc_store_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }

#ifdef __cplusplus
}
#endif

#endif /* KC_KEYCASK_H */
