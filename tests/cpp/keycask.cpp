/*
 * keycask.hpp: what it adds to the C interface. Compiled under every standard from C++17 on, together with second.cpp, which
 * includes it too.
 */

#include <keycask.hpp>

#include "check.h"

#include <thread>
#include <type_traits>

std::string hash_of_the_second_unit(std::string_view api_key);

namespace {

const keycask::master_keys &old_key() {
  static const keycask::master_keys key(MASTER_KEY, KC_KEY_SIZE);
  return key;
}

/* The status that `call` throws, and whether as E; 0: it throws nothing. */
template <typename E, typename Call>
kc_status thrown(Call &&call) {
  try {
    call();
  } catch (const E &error) {
    CHECK(error.what()[0] != '\0');
    return error.status();
  } catch (...) {
    return -1000;
  }
  return 0;
}

void secrets_go_to_tokens_and_back() {
  keycask::store store("keys.db", old_key());
  const std::string token = store.encrypt("alice", "sk-acme");
  CHECK(keycask::is_encrypted(token) && !keycask::is_encrypted("sk-acme"));
  CHECK(token.size() == kc_encrypted_size(7) - 1);
  CHECK(store.decrypt("alice", token).view() == "sk-acme");
  const keycask::secret empty = store.decrypt("alice", store.encrypt("alice", ""));
  CHECK(empty.empty() && empty.view().empty());
  const std::string with_nul("a\0b", 3);
  CHECK(store.decrypt("alice", store.encrypt("alice", with_nul)).view() == with_nul);
  CHECK(store.encrypt("alice", std::string_view()) != token);
  const std::string large(1 << 20, 'x');
  CHECK(store.decrypt("alice", store.encrypt("alice", large)).view() == large);
}

void keys_and_stores_are_moved_and_end_once() {
  static_assert(!std::is_copy_constructible_v<keycask::store> && !std::is_copy_assignable_v<keycask::store>);
  static_assert(!std::is_copy_constructible_v<keycask::key> && !std::is_copy_constructible_v<keycask::secret>);
  static_assert(std::is_nothrow_move_constructible_v<keycask::store> && std::is_nothrow_move_assignable_v<keycask::key>);
  static_assert(std::is_nothrow_destructible_v<keycask::store> && std::is_nothrow_destructible_v<keycask::secret>);
  keycask::store first(":memory:", old_key());
  keycask::key key = first.user_key("alice"), pool = first.pool_key();
  const std::string token = key.encrypt("sk-acme");
  keycask::store second = std::move(first);
  CHECK(second.decrypt("alice", token).view() == "sk-acme");
  CHECK(thrown<keycask::usage_error>([&] { first.encrypt("alice", ""); }) == KC_E_HANDLE);
  second = keycask::store(":memory:", old_key());
  CHECK(thrown<keycask::usage_error>([&] { key.encrypt(""); }) == KC_E_HANDLE);
  keycask::secret secret = keycask::key::import(MASTER_KEY, KC_KEY_SIZE).raw(), other;
  other = std::move(secret);
  CHECK(secret.empty() && other.size() == KC_KEY_SIZE && memcmp(other.data(), MASTER_KEY, KC_KEY_SIZE) == 0);
}

void failures_are_thrown_by_family_with_what_the_c_interface_says() {
  keycask::store store("keys.db", old_key());
  const std::string token = store.encrypt("alice", "sk-acme");
  keycask::options must_exist, reading;
  must_exist.must_exist = reading.read_only = true;
  const keycask::master_keys other(OTHER_MASTER_KEY, KC_KEY_SIZE);
  CHECK(thrown<keycask::token_error>([&] { store.decrypt("alice", "sk-plain"); }) == KC_E_FORMAT);
  CHECK(thrown<keycask::token_error>([&] { store.user_key("bob").decrypt(token); }) == KC_E_AUTHENTICATION);
  CHECK(thrown<keycask::user_error>([&] { store.decrypt("mallory", token); }) == KC_E_UNKNOWN_USER);
  CHECK(thrown<keycask::usage_error>([&] { store.encrypt("", "x"); }) == KC_E_ARGUMENT);
  CHECK(thrown<keycask::usage_error>([&] { store.encrypt(std::string_view(), "x"); }) == KC_E_ARGUMENT);
  CHECK(thrown<keycask::usage_error>([&] { store.encrypt(std::string(5000, 'u'), "x"); }) == KC_E_LIMIT);
  CHECK(thrown<keycask::busy_error>([&] { store.encrypt("new", "x", KC_CACHED_ONLY); }) == KC_E_WOULD_BLOCK);
  CHECK(thrown<keycask::master_key_error>([&] { keycask::store("keys.db", other); }) == KC_E_MASTER_KEY_WRONG);
  CHECK(thrown<keycask::master_key_error>([] { keycask::store("keys.db"); }) == KC_E_MASTER_KEY_MISSING);
  CHECK(thrown<keycask::master_key_error>([] { keycask::master_keys(nullptr, 0).add_text("short"); }) ==
        KC_E_MASTER_KEY_INVALID);
  CHECK(thrown<keycask::store_error>([&] { keycask::store("none.db", old_key(), must_exist); }) == KC_E_NOT_FOUND);
  CHECK(thrown<keycask::store_error>([&] { keycask::store("keys.db", old_key(), reading).encrypt("new", ""); }) ==
        KC_E_READ_ONLY);
  CHECK(thrown<keycask::store_error>([&] { store.backup("keys.db"); }) == KC_E_EXISTS);
  CHECK(thrown<keycask::error>([&] { store.backup("none/keys.db"); }) == KC_E_IO);
}

void try_decrypt_gives_nothing_for_what_does_not_open_and_throws_the_rest() {
  keycask::store store("keys.db", old_key());
  const std::string token = store.encrypt("alice", "sk-acme");
  CHECK(store.try_decrypt("alice", token)->view() == "sk-acme");
  CHECK(!store.try_decrypt("alice", "sk-plain") && !store.try_decrypt("mallory", token));
  CHECK(thrown<keycask::usage_error>([&] { (void)store.try_decrypt("", token); }) == KC_E_ARGUMENT);
}

void operations_work_as_the_c_interface_has_them() {
  keycask::secret first = keycask::master_keys::generate_text(), second = keycask::master_keys::generate_text();
  keycask::master_keys ring(nullptr, 0), both(nullptr, 0);
  ring.add_text(first.view());
  both.add_text(second.view()).add_text(first.view());
  std::string token, pooled;
  {
    keycask::store store("keys.db", ring);
    token = store.encrypt("alice", "sk-acme");
    pooled = store.pool_key().encrypt("of the pool");
    for (const char *user : { "bob", "carol" }) store.encrypt(user, "");
  }
  keycask::store store("keys.db", both);
  keycask::progress progress;
  do progress = store.rewrap(2);
  while (progress.remaining > 0);
  CHECK(progress.skipped == 0);
  CHECK(store.pool_key().decrypt_told(pooled).stale && !store.decrypt_told("alice", token).stale);
  store.rotate_user("alice");
  CHECK(store.decrypt_told("alice", token).stale);
  const std::string anew = store.reencrypt("alice", std::string_view(token).substr(3));
  CHECK(!store.decrypt_told("alice", anew).stale);
  store.forget_versions("alice");
  CHECK(!store.try_decrypt("alice", token));
  store.erase_user("bob");
  CHECK(thrown<keycask::user_error>([&] { store.encrypt("bob", ""); }) == KC_E_USER_DESTROYED);
  store.restore_user("bob");
  int users = 0;
  store.for_each_user([&](const keycask::user_info &user) {
    CHECK(user.info.key == KC_OK && (user.name == "alice" || user.name == "carol"));
    users++;
  });
  CHECK(users == 2 && store.check().good == 2 && store.stats().handles == 1);
  store.backup("copy.db");
  CHECK(keycask::store("copy.db", both).decrypt("alice", anew).view() == "sk-acme");
}

void a_walk_takes_names_of_any_length() {
  keycask::store store("keys.db", old_key());
  store.encrypt("alice", "");
  sql("keys.db", "INSERT INTO encryption_keys VALUES (printf('%.*c', 9000, 'x'), x'00', ''), ('', x'00', '')");
  std::size_t longest = 0, rows = 0;
  store.for_each_user([&](const keycask::user_info &user) {
    longest = user.name.size() > longest ? user.name.size() : longest;
    rows++;
  });
  CHECK(longest == 9000 && rows == 3);
}

void threads_share_a_store() {
  keycask::store store("keys.db", old_key());
  const auto work = [&store](const char *user) {
    for (int i = 0; i < 200; i++)
      if (store.decrypt(user, store.encrypt(user, user)).view() != user) std::terminate();
  };
  std::thread one(work, "alice"), other(work, "bob");
  one.join();
  other.join();
}

void the_rest_is_where_it_belongs() {
  CHECK(keycask::hash("sk-acme") == hash_of_the_second_unit("sk-acme") && keycask::hash("").size() == 64);
  CHECK(keycask::version() == kc_version());
#ifdef KC_HAS_SPAN
  keycask::store store(":memory:", keycask::master_keys(std::as_bytes(std::span(MASTER_KEY))));
  const std::string text = "sk-acme";
  CHECK(store.decrypt("alice", store.encrypt("alice", std::as_bytes(std::span(text)))).view() == text);
  CHECK(keycask::key::import(std::as_bytes(std::span(MASTER_KEY))).raw().size() == KC_KEY_SIZE);
#endif
}

}  // namespace

int main() {
  RUN(secrets_go_to_tokens_and_back);
  RUN(keys_and_stores_are_moved_and_end_once);
  RUN(failures_are_thrown_by_family_with_what_the_c_interface_says);
  RUN(try_decrypt_gives_nothing_for_what_does_not_open_and_throws_the_rest);
  RUN(operations_work_as_the_c_interface_has_them);
  RUN(a_walk_takes_names_of_any_length);
  RUN(threads_share_a_store);
  RUN(the_rest_is_where_it_belongs);
  return check_report();
}
