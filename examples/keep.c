/*
 * The smallest useful program: keeps one secret of one user, or reads it.
 *
 *     keep encrypt STORE USER < secret      prints the token
 *     keep decrypt STORE USER TOKEN         prints the secret
 *     keep master-key                       prints a new master key
 *
 * The master key comes from API_KEY_MASTER_KEY, or from the file that API_KEY_MASTER_KEY_FILE names.
 */

#include <keycask.h>

#include <stdio.h>
#include <string.h>

int main(int argc, char **argv) {
    char secret[4096], token[8192];
    kc_store *store = NULL;
    kc_error error;
    kc_status status;
    size_t len = 0;
    int encrypt = argc == 4 && strcmp(argv[1], "encrypt") == 0;

    if (argc == 2 && strcmp(argv[1], "master-key") == 0) {
        status = kc_master_key_generate(secret, sizeof secret, NULL, &error);
        if (status == KC_OK) printf("%s\n", secret);
        kc_wipe(secret, sizeof secret);
        return status == KC_OK ? 0 : 1;
    }
    if (!encrypt && !(argc == 5 && strcmp(argv[1], "decrypt") == 0)) {
        fprintf(stderr, "usage: keep encrypt STORE USER < secret | keep decrypt STORE USER TOKEN | keep master-key\n");
        return 2;
    }
    status = kc_open(argv[2], KC_NUL_TERMINATED, NULL, KC_FROM_ENVIRONMENT, NULL, &store, &error);
    if (status == KC_OK && encrypt) {
        len = fread(secret, 1, sizeof secret, stdin);
        if (len == sizeof secret) {
            fprintf(stderr, "keep: the secret has %zu bytes or more, too many for this example\n", len);
            kc_wipe(secret, sizeof secret);
            kc_free(store);
            return 1;
        }
        status = kc_encrypt(store, argv[3], KC_NUL_TERMINATED, secret, len, NULL, token, sizeof token, &len, &error);
    } else if (status == KC_OK) {
        status = kc_decrypt(store, argv[3], KC_NUL_TERMINATED, argv[4], KC_NUL_TERMINATED, NULL, secret, sizeof secret,
                            &len, &error);
    }
    if (status == KC_OK)
        printf("%.*s\n", (int)len, encrypt ? token : secret);
    else
        fprintf(stderr, "keep: %s\n", error.message);
    kc_wipe(secret, sizeof secret);
    kc_free(store);
    return status == KC_OK ? 0 : 1;
}
