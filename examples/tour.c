/*
 * The main job, seen by a person: a C program keeps its users' API keys.
 *
 *     tour STORE      needs API_KEY_MASTER_KEY; makes STORE
 */

#include <keycask.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NUL KC_NUL_TERMINATED

static kc_error error;
static int colour;

static void heading(const char *text) { printf(colour ? "\n  \033[1m%s\033[0m\n" : "\n  %s\n", text); }

static void line(const char *label, const char *value) { printf("    %-17s %s\n", label, value); }

/* What should work, and did not, ends the tour. */
static void must(kc_status status) {
    if (status != KC_OK) {
        fprintf(stderr, "%s: %s\n", kc_status_text(status), error.message);
        exit(1);
    }
}

/* What must be refused, with its status and message, broken to the width of a screen. */
static void refused(const char *what, kc_status status, kc_status expected) {
    const char *text = error.message;
    if (status != expected) {
        fprintf(stderr, "%s: expected %s, got %s\n", what, kc_status_text(expected), kc_status_text(status));
        exit(1);
    }
    printf(colour ? "    %-17s \033[31m%s\033[0m\n" : "    %-17s %s\n", what, kc_status_text(status));
    while (*text != '\0') {
        size_t width = strlen(text);
        if (width > 72) {
            for (width = 72; width > 1 && text[width] != ' '; width--) {
            }
        }
        printf("    %-17s %.*s\n", "", (int)width, text);
        text += width;
        text += *text == ' ';
    }
}

int main(int argc, char **argv) {
    kc_store *store, *other;
    kc_key *pool;
    char token[256], altered[256], secret[256], hash[KC_HASH_SIZE];
    const char *alice = "sk-proj-alice-4f9c21e7";
    unsigned char wrong[KC_KEY_SIZE];

    if (argc != 2) {
        fprintf(stderr, "usage: tour STORE\n");
        return 2;
    }
    colour = isatty(STDOUT_FILENO);
    memset(wrong, 7, sizeof wrong);

    heading("A user's API key, kept");
    must(kc_open(argv[1], NUL, NULL, KC_FROM_ENVIRONMENT, NULL, &store, &error));
    must(kc_encrypt(store, "alice", NUL, alice, strlen(alice), NULL, token, sizeof token, NULL, &error));
    line("secret", alice);
    line("token", token);
    must(kc_decrypt(store, "alice", NUL, token, NUL, NULL, secret, sizeof secret, NULL, &error));
    line("read back", secret);
    kc_wipe(secret, sizeof secret);

    heading("Tokens and legacy plaintext, told apart");
    line("v2:...", kc_is_encrypted(token, NUL) ? "a token" : "plaintext");
    line("sk-old-plaintext", kc_is_encrypted("sk-old-plaintext", NUL) ? "a token" : "plaintext");

    heading("For values that belong to no single user");
    must(kc_pool_key(store, &pool, &error));
    must(kc_key_encrypt(pool, "sk-shared", 9, NULL, altered, sizeof altered, NULL, &error));
    line("pool token", altered);
    must(kc_key_decrypt(pool, altered, NUL, NULL, secret, sizeof secret, NULL, &error));
    line("read back", secret);
    must(kc_hash(alice, strlen(alice), hash, sizeof hash, NULL, &error));
    line("lookup hash", hash);

    heading("Refused");
    must(kc_encrypt(store, "mallory", NUL, "x", 1, NULL, altered, sizeof altered, NULL, &error));
    refused("another user", kc_decrypt(store, "mallory", NUL, token, NUL, NULL, secret, sizeof secret, NULL, &error),
            KC_E_AUTHENTICATION);
    refused("an unknown user", kc_decrypt(store, "nobody", NUL, token, NUL, NULL, secret, sizeof secret, NULL, &error),
            KC_E_UNKNOWN_USER);
    strcpy(altered, token);
    altered[20] = altered[20] == 'A' ? 'B' : 'A';
    refused("an altered token", kc_decrypt(store, "alice", NUL, altered, NUL, NULL, secret, sizeof secret, NULL, &error),
            KC_E_AUTHENTICATION);
    refused("a wrong key", kc_open(argv[1], NUL, wrong, sizeof wrong, NULL, &other, &error), KC_E_MASTER_KEY_WRONG);

    must(kc_free(store));
    must(kc_free(pool)); /* it ended with its store, and is still freed */
    if (kc_handle_count() != 0) {
        fprintf(stderr, "%zu handles were left open\n", kc_handle_count());
        return 1;
    }
    return 0;
}
