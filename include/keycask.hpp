/*
 * keycask for C++17: the C interface of keycask.h with handles that end themselves, strings, and exceptions.
 *
 *     #include <keycask.hpp>
 *
 *     keycask::store store("keys.db");                              // master key: API_KEY_MASTER_KEY
 *     std::string token = store.encrypt("alice", "sk-alice-1234");  // "v2:...", keep it anywhere
 *     keycask::secret secret = store.decrypt("alice", token);       // wiped when it goes
 *     use(secret.view());
 *
 * Header-only, over the C functions alone: what they promise of threads, forks, freshness and limits is said in keycask.h,
 * and holds here. Every function throws keycask::error, or what derives from it; destructors do not. Objects are moved, not
 * copied; one may be used by any number of threads at once, and moved or destroyed by none while another uses it.
 */

#ifndef KC_KEYCASK_HPP
#define KC_KEYCASK_HPP

#include "keycask.h"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if defined(__has_include)
#if __has_include(<span>) && __cplusplus >= 202002L
#include <span>
#define KC_HAS_SPAN 1
#endif
#endif

namespace keycask {

/* Errors ------------------------------------------------------------------------------------------------------------ */

/** Why a call failed: what() says it to a person, status() to the program. */
class error : public std::runtime_error {
 public:
  /** Takes over what the C interface says. */
  explicit error(const kc_error &cause)
      : std::runtime_error(cause.message),
        status_(cause.status),
        os_error_(cause.os_error),
        engine_error_(cause.engine_error) {}

  /** One of KC_E_... */
  kc_status status() const noexcept { return status_; }
  /** The system's error number (errno), or 0. */
  std::int32_t os_error() const noexcept { return os_error_; }
  /** SQLite's extended result code, or 0. */
  std::int32_t engine_error() const noexcept { return engine_error_; }

 private:
  kc_status status_;
  std::int32_t os_error_, engine_error_;
};

/** The call was made wrongly: KC_E_ARGUMENT, KC_E_HANDLE, KC_E_BUFFER, KC_E_LIMIT, KC_E_UNSUPPORTED. */
class usage_error : public error { using error::error; };
/** The token: KC_E_FORMAT, KC_E_AUTHENTICATION. */
class token_error : public error { using error::error; };
/** The user: KC_E_UNKNOWN_USER, KC_E_USER_DESTROYED. */
class user_error : public error { using error::error; };
/** The master key: KC_E_MASTER_KEY_MISSING, KC_E_MASTER_KEY_INVALID, KC_E_MASTER_KEY_WRONG. */
class master_key_error : public error { using error::error; };
/** The store: KC_E_CORRUPT, KC_E_IO, KC_E_READ_ONLY, KC_E_NOT_FOUND, KC_E_EXISTS. */
class store_error : public error { using error::error; };
/** It may work later: KC_E_BUSY, KC_E_WOULD_BLOCK. */
class busy_error : public error { using error::error; };
/** The system or the library: KC_E_RANDOM, KC_E_MEMORY, KC_E_INTERNAL. */
class system_error : public error { using error::error; };

namespace detail {

[[noreturn]] inline void raise(const kc_error &cause) {
  switch (cause.status) {
    case KC_E_FORMAT:
    case KC_E_AUTHENTICATION:
      throw token_error(cause);
    case KC_E_UNKNOWN_USER:
    case KC_E_USER_DESTROYED:
      throw user_error(cause);
    case KC_E_MASTER_KEY_MISSING:
    case KC_E_MASTER_KEY_INVALID:
    case KC_E_MASTER_KEY_WRONG:
      throw master_key_error(cause);
    case KC_E_CORRUPT:
    case KC_E_IO:
    case KC_E_READ_ONLY:
    case KC_E_NOT_FOUND:
    case KC_E_EXISTS:
      throw store_error(cause);
    case KC_E_BUSY:
    case KC_E_WOULD_BLOCK:
      throw busy_error(cause);
    case KC_E_RANDOM:
    case KC_E_MEMORY:
    case KC_E_INTERNAL:
      throw system_error(cause);
    default:
      throw usage_error(cause);
  }
}

/** Calls a C function with a kc_error of its own. Its status, which is no error. */
template <typename Call>
kc_status checked(Call &&call) {
  kc_error cause;
  const kc_status status = call(&cause);
  if (status < 0) raise(cause);
  return status;
}

/** A string_view's data may be NULL, which C takes for a missing string: an empty one has none. */
inline const char *text(std::string_view from) noexcept { return from.data() == nullptr ? "" : from.data(); }

inline kc_call how(std::uint32_t flags) noexcept {
  kc_call call = KC_CALL_INIT;
  call.flags = flags;
  return call;
}

}  // namespace detail

/* Secrets ----------------------------------------------------------------------------------------------------------- */

/** A plaintext or a raw key. It is wiped when it goes, and is moved, never copied. */
class secret {
 public:
  /** Empty. */
  secret() = default;
  /** Moved; the other is empty then. */
  secret(secret &&other) noexcept : bytes_(std::exchange(other.bytes_, nullptr)), size_(std::exchange(other.size_, 0)),
                                    capacity_(std::exchange(other.capacity_, 0)) {}
  /** Moved; what was here is wiped. */
  secret &operator=(secret &&other) noexcept {
    if (this != &other) {
      wipe();
      bytes_ = std::exchange(other.bytes_, nullptr);
      size_ = std::exchange(other.size_, 0);
      capacity_ = std::exchange(other.capacity_, 0);
    }
    return *this;
  }
  secret(const secret &) = delete;
  secret &operator=(const secret &) = delete;
  ~secret() { wipe(); }

  /** The secret, as long as this lives. */
  std::string_view view() const noexcept { return bytes_ == nullptr ? std::string_view() : std::string_view(bytes_, size_); }
  /** Its bytes; NULL when it was never filled. */
  const char *data() const noexcept { return bytes_; }
  /** How many bytes. */
  std::size_t size() const noexcept { return size_; }
  /** Whether it has none. */
  bool empty() const noexcept { return size_ == 0; }

  /** Makes room for `capacity` bytes, which `write` fills: it answers how many it wrote. */
  template <typename Write>
  static secret written(std::size_t capacity, Write &&write) {
    secret made;
    made.bytes_ = static_cast<char *>(::operator new(capacity + 1));
    made.capacity_ = capacity + 1;
    made.size_ = write(static_cast<void *>(made.bytes_), capacity + 1);
    return made;
  }

 private:
  void wipe() noexcept {
    if (bytes_ != nullptr) {
      kc_wipe(bytes_, capacity_);
      ::operator delete(bytes_);
      bytes_ = nullptr;
    }
    size_ = capacity_ = 0;
  }

  char *bytes_ = nullptr;
  std::size_t size_ = 0, capacity_ = 0;
};

/** A plaintext, and whether its token was made under a key that is no longer current. */
struct decrypted {
  keycask::secret secret;  /**< The plaintext. */
  bool stale = false;      /**< Whether reencrypt has something to do. */
};

/* Keys -------------------------------------------------------------------------------------------------------------- */

namespace detail {

/** A handle that ends itself. */
template <typename Handle>
class owned {
 public:
  explicit owned(Handle *handle) noexcept : handle_(handle) {}
  owned(owned &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  owned &operator=(owned &&other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  owned(const owned &) = delete;
  owned &operator=(const owned &) = delete;
  ~owned() { kc_free(handle_); }

  Handle *get() const noexcept { return handle_; }

 private:
  Handle *handle_;
};

/** Encrypts by a function that takes capacity and length outputs. */
template <typename Call>
std::string token(std::size_t plaintext_size, Call &&call) {
  const std::size_t capacity = kc_encrypted_size(plaintext_size);
  std::string made(capacity == 0 ? 1 : capacity, '\0');
  std::size_t size = 0;
  checked([&](kc_error *cause) { return call(made.data(), made.size(), &size, cause); });
  made.resize(size);
  return made;
}

template <typename Call>
decrypted opened(std::size_t token_size, Call &&call) {
  decrypted found;
  found.secret = secret::written(kc_decrypted_size(token_size), [&](void *bytes, std::size_t capacity) {
    std::size_t size = 0;
    const kc_status status =
        checked([&](kc_error *cause) { return call(bytes, capacity, &size, cause); });
    found.stale = status == KC_STALE;
    return size;
  });
  return found;
}

}  // namespace detail

/** A key: a user's, the pool's, or an imported one. */
class key {
 public:
  /** Takes over a handle of the C interface. */
  explicit key(kc_key *handle) noexcept : handle_(handle) {}

  /** A key of your own, of KC_KEY_SIZE bytes; it belongs to no store. */
  static key import(const void *raw, std::size_t size) {
    kc_key *handle = nullptr;
    detail::checked([&](kc_error *cause) { return kc_key_import(raw, size, &handle, cause); });
    return key(handle);
  }

  /** Encrypts a secret to a token, under the key that is current then. */
  std::string encrypt(std::string_view plaintext, std::uint32_t flags = 0) const {
    const kc_call call = detail::how(flags);
    return detail::token(plaintext.size(), [&](char *token, std::size_t capacity, std::size_t *size, kc_error *cause) {
      return kc_key_encrypt(handle_.get(), detail::text(plaintext), plaintext.size(), &call, token, capacity, size, cause);
    });
  }

  /** Decrypts a token made under this key. */
  keycask::secret decrypt(std::string_view token, std::uint32_t flags = 0) const {
    return decrypt_told(token, flags).secret;
  }

  /** decrypt, and whether the token is stale. */
  decrypted decrypt_told(std::string_view token, std::uint32_t flags = 0) const {
    const kc_call call = detail::how(flags | KC_TELL_STALE);
    return detail::opened(token.size(), [&](void *bytes, std::size_t capacity, std::size_t *size, kc_error *cause) {
      return kc_key_decrypt(handle_.get(), detail::text(token), token.size(), &call, bytes, capacity, size, cause);
    });
  }

  /** The key's KC_KEY_SIZE bytes. Whoever has them opens every token made under it. */
  keycask::secret raw() const {
    return keycask::secret::written(KC_KEY_SIZE, [&](void *bytes, std::size_t capacity) {
      std::size_t size = 0;
      detail::checked([&](kc_error *cause) { return kc_key_export(handle_.get(), bytes, capacity, &size, cause); });
      return size;
    });
  }

#ifdef KC_HAS_SPAN
  /** A key of your own, of KC_KEY_SIZE bytes. */
  static key import(std::span<const std::byte> raw) { return import(raw.data(), raw.size()); }
  /** Encrypts bytes. */
  std::string encrypt(std::span<const std::byte> plaintext, std::uint32_t flags = 0) const {
    return encrypt(std::string_view(reinterpret_cast<const char *>(plaintext.data()), plaintext.size()), flags);
  }
#endif

  /** The handle, for the C interface; it stays this object's. */
  kc_key *handle() const noexcept { return handle_.get(); }

 private:
  detail::owned<kc_key> handle_;
};

/* Master keys ------------------------------------------------------------------------------------------------------- */

/** The master keys that a store is opened with, the current one first. Wiped when they go. */
class master_keys {
 public:
  /** Those of API_KEY_MASTER_KEY, API_KEY_MASTER_KEY_PREVIOUS and their files. */
  static master_keys from_environment() { return master_keys(); }

  /** n x KC_KEY_SIZE bytes, which are copied. */
  master_keys(const void *raw, std::size_t size)
      : raw_(secret::written(size, [&](void *bytes, std::size_t) {
          if (size > 0) std::memcpy(bytes, raw, size);
          return size;
        })), from_environment_(false) {}

#ifdef KC_HAS_SPAN
  /** n x KC_KEY_SIZE bytes, which are copied. */
  explicit master_keys(std::span<const std::byte> raw) : master_keys(raw.data(), raw.size()) {}
#endif

  /** The text of a new master key, as API_KEY_MASTER_KEY holds it. */
  static secret generate_text() {
    return secret::written(KC_MASTER_KEY_TEXT_SIZE, [](void *bytes, std::size_t capacity) {
      std::size_t size = 0;
      detail::checked([&](kc_error *cause) {
        return kc_master_key_generate(static_cast<char *>(bytes), capacity, &size, cause);
      });
      return size;
    });
  }

  /** One more, behind the others, from its text. */
  master_keys &add_text(std::string_view text) {
    char one[KC_KEY_SIZE];
    detail::checked([&](kc_error *cause) {
      return kc_master_key_decode(detail::text(text), text.size(), one, sizeof one, nullptr, cause);
    });
    raw_ = secret::written(raw_.size() + sizeof one, [&](void *bytes, std::size_t) {
      if (raw_.size() > 0) std::memcpy(bytes, raw_.data(), raw_.size());
      std::memcpy(static_cast<char *>(bytes) + raw_.size(), one, sizeof one);
      return raw_.size() + sizeof one;
    });
    kc_wipe(one, sizeof one);
    from_environment_ = false;
    return *this;
  }

  /** As kc_open takes them. */
  const void *data() const noexcept { return from_environment_ ? nullptr : raw_.data(); }
  /** Their bytes, or KC_FROM_ENVIRONMENT. */
  std::size_t size() const noexcept { return from_environment_ ? KC_FROM_ENVIRONMENT : raw_.size(); }

 private:
  master_keys() = default;

  secret raw_;
  bool from_environment_ = true;
};

/* Stores ------------------------------------------------------------------------------------------------------------ */

/** How a store is opened. */
struct options {
  /** Never write. */
  bool read_only = false;
  /** A missing store is an error, and none is made. */
  bool must_exist = false;
  /** This process will be snapshotted, and resumed more than once. */
  bool snapshots = false;
  /** From now on this process locks no memory for keys (mlock). */
  bool unlocked = false;
  /** How long a call waits for others' locks; 0: not at all. */
  std::chrono::milliseconds busy_timeout = std::chrono::milliseconds(5000);
  /** Users whose keys are kept unwrapped; 0: none. */
  std::uint32_t cache_users = 65536;
};

/** How far a rotation of the master key has come. */
struct progress {
  std::uint64_t done = 0;       /**< Keys that this call moved. */
  std::uint64_t remaining = 0;  /**< Keys not seen yet. At 0 the rotation has ended. */
  std::uint64_t skipped = 0;    /**< Damaged rows, which were left. */
};

/** A user, and what is known of them. */
struct user_info {
  std::string name;   /**< Empty for a row that has none. */
  kc_user_info info;  /**< See there. */
};

/** An open key store. */
class store {
 public:
  /** Opens the key store at a location, and makes it where it is missing: kc_open. */
  explicit store(std::string_view location, const master_keys &keys = master_keys::from_environment(),
                 const options &how = options())
      : handle_(nullptr) {
    kc_options c = KC_OPTIONS_INIT;
    c.flags = (how.read_only ? KC_OPEN_READ_ONLY : 0U) | (how.must_exist ? KC_OPEN_MUST_EXIST : 0U) |
              (how.snapshots ? KC_OPEN_SNAPSHOTS : 0U) | (how.unlocked ? KC_OPEN_UNLOCKED : 0U);
    const auto timeout = how.busy_timeout.count();
    c.busy_timeout_ms = timeout <= 0 ? KC_NONE : timeout >= KC_NONE ? KC_NONE - 1 : static_cast<std::uint32_t>(timeout);
    c.cache_users = how.cache_users == 0 ? KC_NONE : how.cache_users;
    kc_store *opened = nullptr;
    detail::checked([&](kc_error *cause) {
      return kc_open(detail::text(location), location.size(), keys.data(), keys.size(), &c, &opened, cause);
    });
    handle_ = detail::owned<kc_store>(opened);
  }

  /** Encrypts a secret of a user to a token. A user without a key gets one, unless flags have KC_EXISTING. */
  std::string encrypt(std::string_view user, std::string_view plaintext, std::uint32_t flags = 0) const {
    const kc_call call = detail::how(flags);
    return detail::token(plaintext.size(), [&](char *token, std::size_t capacity, std::size_t *size, kc_error *cause) {
      return kc_encrypt(handle(), detail::text(user), user.size(), detail::text(plaintext), plaintext.size(), &call, token,
                        capacity, size, cause);
    });
  }

  /** Decrypts a token of a user. Never makes a key. */
  keycask::secret decrypt(std::string_view user, std::string_view token, std::uint32_t flags = 0) const {
    return decrypt_told(user, token, flags).secret;
  }

  /** decrypt, and whether the token is stale. */
  decrypted decrypt_told(std::string_view user, std::string_view token, std::uint32_t flags = 0) const {
    const kc_call call = detail::how(flags | KC_TELL_STALE);
    return detail::opened(token.size(), [&](void *bytes, std::size_t capacity, std::size_t *size, kc_error *cause) {
      return kc_decrypt(handle(), detail::text(user), user.size(), detail::text(token), token.size(), &call, bytes, capacity,
                        size, cause);
    });
  }

  /** decrypt; nothing where the token does not open or its user has no key. Other failures are thrown. */
  std::optional<keycask::secret> try_decrypt(std::string_view user, std::string_view token, std::uint32_t flags = 0) const {
    try {
      return decrypt(user, token, flags);
    } catch (const token_error &) {
      return std::nullopt;
    } catch (const user_error &) {
      return std::nullopt;
    }
  }

  /** The key of a user, for many values of theirs. It ends with this store. */
  keycask::key user_key(std::string_view user, std::uint32_t flags = 0) const {
    const kc_call call = detail::how(flags);
    kc_key *key = nullptr;
    detail::checked([&](kc_error *cause) {
      return kc_user_key(handle(), detail::text(user), user.size(), &call, &key, cause);
    });
    return keycask::key(key);
  }

  /** The key for values that belong to no single user. It ends with this store. */
  keycask::key pool_key() const {
    kc_key *key = nullptr;
    detail::checked([&](kc_error *cause) { return kc_pool_key(handle(), &key, cause); });
    return keycask::key(key);
  }

  /** Moves up to `limit` keys to the current master key: to be called until nothing remains. */
  progress rewrap(std::uint64_t limit) const {
    progress now;
    detail::checked([&](kc_error *cause) {
      return kc_rewrap(handle(), limit, &now.done, &now.remaining, &now.skipped, cause);
    });
    return now;
  }

  /** Destroys a user's keys; none is made for them again. */
  void erase_user(std::string_view user) const { of_user(kc_erase_user, user); }
  /** Lets an erased user begin anew. */
  void restore_user(std::string_view user) const { of_user(kc_restore_user, user); }
  /** Gives a user another key; the one that they have is kept for reading. */
  void rotate_user(std::string_view user) const { of_user(kc_rotate_user, user); }
  /** Drops a user's earlier keys. */
  void forget_versions(std::string_view user) const { of_user(kc_forget_versions, user); }

  /** A token of a user as one under their current key. */
  std::string reencrypt(std::string_view user, std::string_view token, std::uint32_t flags = 0) const {
    const kc_call call = detail::how(flags);
    /* No longer than the token, but for a prefix and padding that it may lack. */
    std::string made(token.size() + 8, '\0');
    std::size_t size = 0;
    detail::checked([&](kc_error *cause) {
      return kc_reencrypt(handle(), detail::text(user), user.size(), detail::text(token), token.size(), &call, made.data(),
                          made.size(), &size, cause);
    });
    made.resize(size);
    return made;
  }

  /** Copies the store, while it is in use, to a file that is not there yet. */
  void backup(std::string_view location) const {
    detail::checked([&](kc_error *cause) {
      return kc_backup(handle(), detail::text(location), location.size(), cause);
    });
  }

  /** Looks at every row, and has SQLite check its file. */
  kc_check_report check() const {
    kc_check_report report = KC_CHECK_REPORT_INIT;
    detail::checked([&](kc_error *cause) { return kc_check(handle(), &report, cause); });
    return report;
  }

  /** Hands every user to `visit`, which takes a const user_info &. */
  template <typename Visit>
  void for_each_user(Visit &&visit) const {
    kc_user_walk walk = KC_USER_WALK_INIT;
    user_info user = { {}, KC_USER_INFO_INIT };
    std::string name(4097, '\0');
    for (;;) {
      std::size_t size = 0;
      kc_error cause;
      const kc_status status = kc_next_user(handle(), &walk, name.data(), name.size(), &size, &user.info, &cause);
      if (status == KC_END) return;
      if (status == KC_E_BUFFER) {
        name.resize(size);
        continue;
      }
      if (status < 0) detail::raise(cause);
      user.name.assign(name, 0, size);
      visit(static_cast<const user_info &>(user));
    }
  }

  /** What this store has done since it was opened. */
  kc_store_stats stats() const {
    kc_store_stats found = KC_STORE_STATS_INIT;
    detail::checked([&](kc_error *cause) { return kc_stats(handle(), &found, cause); });
    return found;
  }

#ifdef KC_HAS_SPAN
  /** Encrypts bytes. */
  std::string encrypt(std::string_view user, std::span<const std::byte> plaintext, std::uint32_t flags = 0) const {
    return encrypt(user, std::string_view(reinterpret_cast<const char *>(plaintext.data()), plaintext.size()), flags);
  }
#endif

  /** The handle, for the C interface; it stays this object's. */
  kc_store *handle() const noexcept { return handle_.get(); }

 private:
  template <typename Function>
  void of_user(Function function, std::string_view user) const {
    detail::checked([&](kc_error *cause) { return function(handle(), detail::text(user), user.size(), cause); });
  }

  detail::owned<kc_store> handle_;
};

/* Without a store --------------------------------------------------------------------------------------------------- */

/** Whether a value is a token, and not plaintext from before tokens. */
inline bool is_encrypted(std::string_view value) noexcept {
  return kc_is_encrypted(detail::text(value), value.size()) == 1;
}

/** The lookup hash of an API key: 64 lower-case hex digits. */
inline std::string hash(std::string_view api_key) {
  std::string hex(KC_HASH_SIZE, '\0');
  std::size_t size = 0;
  detail::checked([&](kc_error *cause) {
    return kc_hash(detail::text(api_key), api_key.size(), hex.data(), hex.size(), &size, cause);
  });
  hex.resize(size);
  return hex;
}

/** The library's version, such as "1.0.0". */
inline std::string_view version() noexcept { return kc_version(); }

}  // namespace keycask

#endif /* KC_KEYCASK_HPP */
