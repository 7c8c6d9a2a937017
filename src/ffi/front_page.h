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
