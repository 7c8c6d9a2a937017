/* What a child finds of the handles that its parent had. The load is in tests/reliability/fork.c. */

#include "check.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static kc_store *store;
static kc_key *key;
static char token[128];

static kc_status makes(kc_store *in, const char *user) {
  char made[128];
  return kc_encrypt(in, user, KC_NUL_TERMINATED, "sk", 2, NULL, made, sizeof made, NULL, &why);
}

static int key_opens(void) {
  char text[64];
  return kc_key_decrypt(key, token, KC_NUL_TERMINATED, NULL, text, sizeof text, NULL, &why) == KC_OK
         && strcmp(text, "sk-acme") == 0;
}

/* A store and a key of alice, whose token is at hand. */
static void set_up(void) {
  store = open_store("keys.db");
  encrypt(store, "alice", "sk-acme", token, sizeof token);
  CHECK_STATUS(KC_OK, kc_user_key(store, TEXT("alice"), NULL, &key, &why));
}

static void tear_down(void) {
  kc_free(key);
  kc_free(store);
}

static void use_what_was_inherited(void) {
  alarm(10);
  CHECK(opens(store, "alice", token, "sk-acme") && key_opens());
  CHECK_STATUS(KC_OK, makes(store, "of the child"));
  tear_down();
}

static void a_forked_child_uses_the_handles_that_it_inherits(void) {
  set_up();
  CHECK(check_in_child(use_what_was_inherited));
  CHECK_STATUS(KC_OK, makes(store, "of the parent"));
  CHECK(sql_number("keys.db", "SELECT count(*) FROM encryption_keys") == 3);
  tear_down();
}

/* In a child that libc knows nothing of, and so no handler has run. */
static int works_in_a_clone(void) {
  kc_store *anew = NULL;
  alarm(10);
  if (!opens(store, "alice", token, "sk-acme") || !key_opens())
    return 1;
  if (makes(store, "bob") != KC_E_UNSUPPORTED)
    return 2;
  if (kc_open(TEXT("keys.db"), MASTER_KEY, KC_KEY_SIZE, NULL, &anew, &why) != KC_OK || makes(anew, "bob") != KC_OK)
    return 3;
  /* The parent's is refused also when this process has a store of its own. */
  if (makes(store, "carol") != KC_E_UNSUPPORTED || !opens(store, "alice", token, "sk-acme"))
    return 4;
  return kc_free(key) == KC_OK && kc_free(store) == KC_OK && kc_free(anew) == KC_OK ? 0 : 5;
}

static void a_bare_clone_keeps_cached_keys_and_opens_the_store_anew(void) {
  int status = -1;
  pid_t child;
  set_up();
  child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
  if (child == 0)
    _exit(works_in_a_clone());
  CHECK(child > 0 && waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK_STATUS(KC_OK, makes(store, "of the parent"));
  tear_down();
}

int main(void) {
  RUN(a_forked_child_uses_the_handles_that_it_inherits);
  RUN(a_bare_clone_keeps_cached_keys_and_opens_the_store_anew);
  return check_report();
}
