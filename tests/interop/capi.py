"""keycask through its C ABI, by ctypes: as thin as it can be, so that what is tested is the library.

The path of the shared library comes from the environment variable KEYCASK_LIBRARY.
"""

import ctypes
import os
from ctypes import POINTER, byref, c_char, c_char_p, c_int32, c_size_t, c_uint32, c_uint64, c_void_p

KC_NUL_TERMINATED = KC_FROM_ENVIRONMENT = ctypes.c_size_t(-1).value
KC_NONE = 0xFFFFFFFF
KC_OPEN_READ_ONLY, KC_OPEN_MUST_EXIST, KC_OPEN_SNAPSHOTS, KC_OPEN_UNLOCKED = 1, 2, 4, 8
KC_EXISTING, KC_CACHED_ONLY, KC_STRICT, KC_TELL_STALE = 1, 2, 4, 8
KC_STALE, KC_END = 1, 2
KC_MASTER_KEY_UNREGISTERED, KC_MASTER_KEY_ACTIVE, KC_MASTER_KEY_RETIRING, KC_MASTER_KEY_RETIRED = range(4)
KC_KEY_SIZE, KC_HASH_SIZE, KC_MASTER_KEY_TEXT_SIZE = 32, 65, 45

STATUSES = {number: "KC_E_" + name for number, name in {
    -1: "ARGUMENT", -2: "HANDLE", -3: "BUFFER", -4: "FORMAT", -5: "AUTHENTICATION", -6: "UNKNOWN_USER",
    -7: "USER_DESTROYED", -8: "MASTER_KEY_MISSING", -9: "MASTER_KEY_INVALID", -10: "MASTER_KEY_WRONG", -11: "CORRUPT",
    -12: "BUSY", -13: "IO", -14: "READ_ONLY", -15: "NOT_FOUND", -16: "EXISTS", -17: "LIMIT", -18: "RANDOM",
    -19: "MEMORY", -20: "WOULD_BLOCK", -21: "UNSUPPORTED", -99: "INTERNAL"}.items()}


class kc_error(ctypes.Structure):
    _fields_ = [("status", c_int32), ("os_error", c_int32), ("engine_error", c_int32), ("reserved", c_int32),
                ("message", c_char * 496)]


class kc_options(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("flags", c_uint32), ("busy_timeout_ms", c_uint32), ("cache_users", c_uint32)]


class kc_call(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("flags", c_uint32), ("associated_data", c_void_p),
                ("associated_data_len", c_size_t)]


class kc_check_report(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("findings", c_uint32), *((name, c_uint64) for name in (
        "users", "good", "damaged", "unopened", "versions", "damaged_others", "erased", "lacking")),
        ("keys", c_uint64 * 16), ("states", c_uint32 * 16), ("finding", c_char * 160)]


class kc_user_walk(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("begun", c_uint32), ("place", c_uint64 * 4)]


class kc_user_info(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("key", c_int32), ("master_key", c_uint32), ("reserved", c_uint32),
                ("versions", c_uint64), ("created_at", c_char * 40)]


class kc_store_stats(ctypes.Structure):
    _fields_ = [("size", c_uint32), ("reserved", c_uint32), *((name, c_uint64) for name in (
        "cached_users", "hits", "misses", "store_reads", "commits", "busy_waits", "handles", "locked_bytes",
        "unlocked_bytes"))]


def _load():
    path = os.environ.get("KEYCASK_LIBRARY")
    if not path:
        raise RuntimeError("KEYCASK_LIBRARY names no file; set it to the path of libkeycask.so")
    library = ctypes.CDLL(path)
    text, data, size, error = c_char_p, c_char_p, c_size_t, POINTER(kc_error)
    handle, handle_out, size_out = c_void_p, POINTER(c_void_p), POINTER(c_size_t)
    call, options, buffer = POINTER(kc_call), POINTER(kc_options), c_void_p
    number = POINTER(c_uint64)
    encrypt = (data, size, call, buffer, size, size_out, error)
    decrypt = (text, size, call, buffer, size, size_out, error)
    for name, result, *arguments in (
        ("kc_version", c_char_p),
        ("kc_abi_version", c_uint32),
        ("kc_status_text", c_char_p, c_int32),
        ("kc_handle_count", c_size_t),
        ("kc_wipe", None, c_void_p, size),
        ("kc_open", c_int32, text, size, data, size, options, handle_out, error),
        ("kc_free", c_int32, handle),
        ("kc_encrypt", c_int32, handle, text, size, *encrypt),
        ("kc_decrypt", c_int32, handle, text, size, *decrypt),
        ("kc_encrypted_size", c_size_t, size),
        ("kc_decrypted_size", c_size_t, size),
        ("kc_is_encrypted", c_int32, text, size),
        ("kc_hash", c_int32, data, size, buffer, size, size_out, error),
        ("kc_user_key", c_int32, handle, text, size, call, handle_out, error),
        ("kc_pool_key", c_int32, handle, handle_out, error),
        ("kc_key_import", c_int32, data, size, handle_out, error),
        ("kc_key_export", c_int32, handle, buffer, size, size_out, error),
        ("kc_key_encrypt", c_int32, handle, *encrypt),
        ("kc_key_decrypt", c_int32, handle, *decrypt),
        ("kc_rewrap", c_int32, handle, c_uint64, number, number, number, error),
        ("kc_erase_user", c_int32, handle, text, size, error),
        ("kc_restore_user", c_int32, handle, text, size, error),
        ("kc_rotate_user", c_int32, handle, text, size, error),
        ("kc_forget_versions", c_int32, handle, text, size, error),
        ("kc_reencrypt", c_int32, handle, text, size, text, size, call, buffer, size, size_out, error),
        ("kc_backup", c_int32, handle, text, size, error),
        ("kc_check", c_int32, handle, POINTER(kc_check_report), error),
        ("kc_next_user", c_int32, handle, POINTER(kc_user_walk), buffer, size, size_out, POINTER(kc_user_info), error),
        ("kc_stats", c_int32, handle, POINTER(kc_store_stats), error),
        ("kc_master_key_generate", c_int32, buffer, size, size_out, error),
        ("kc_master_key_decode", c_int32, text, size, buffer, size, size_out, error),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


LIBRARY = _load()


class KeycaskError(Exception):
    """`status` is the name of the status, such as 'KC_E_FORMAT'."""

    def __init__(self, status, message):
        super().__init__(f"{status}: {message}")
        self.status, self.message = status, message


def _check(function, *arguments):
    error = kc_error()
    status = function(*arguments, byref(error))
    if status < 0:
        assert error.status == status, f"the status is {status}, and {error.status} in kc_error"
        raise KeycaskError(STATUSES[status], error.message.decode())
    return status


def _output(capacity, function, *arguments):
    """Calls a function whose last outputs are a buffer, its capacity and the length written."""
    buffer, length = ctypes.create_string_buffer(capacity), c_size_t()
    _check(function, *arguments, buffer, capacity, byref(length))
    return buffer.raw[:length.value]


def _handle(function, *arguments):
    handle = c_void_p()
    _check(function, *arguments, byref(handle))
    return handle.value


def _text(text):
    data = text.encode()
    return data, len(data)


def _call(flags):
    return byref(kc_call(ctypes.sizeof(kc_call), flags, None, 0)) if flags else None


class _Handle:
    def __init__(self, value):
        self.value = value

    def close(self):
        value, self.value = self.value, None
        if value is not None and (status := LIBRARY.kc_free(value)) != 0:
            raise KeycaskError(STATUSES[status], f"kc_free: {LIBRARY.kc_status_text(status).decode()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Key(_Handle):
    @classmethod
    def from_bytes(cls, raw):
        return cls(_handle(LIBRARY.kc_key_import, raw, len(raw)))

    def export(self):
        return _output(KC_KEY_SIZE, LIBRARY.kc_key_export, self.value)

    def encrypt(self, plaintext, flags=0):
        return _output(LIBRARY.kc_encrypted_size(len(plaintext)), LIBRARY.kc_key_encrypt, self.value,
                       plaintext, len(plaintext), _call(flags)).decode()

    def decrypt(self, token, flags=0):
        text, size = _text(token)
        return _output(LIBRARY.kc_decrypted_size(size), LIBRARY.kc_key_decrypt, self.value, text, size, _call(flags))


class Store(_Handle):
    def __init__(self, path, *master_keys, flags=0, busy_timeout_ms=0, cache_users=0):
        """Without master keys: they come from the environment."""
        keys = b"".join(master_keys)
        options = kc_options(ctypes.sizeof(kc_options), flags, busy_timeout_ms, cache_users)
        super().__init__(_handle(LIBRARY.kc_open, *_text(str(path)), keys if keys else None,
                                 len(keys) if keys else KC_FROM_ENVIRONMENT, byref(options)))

    def encrypt(self, user, plaintext, flags=0):
        return _output(LIBRARY.kc_encrypted_size(len(plaintext)), LIBRARY.kc_encrypt, self.value, *_text(user),
                       plaintext, len(plaintext), _call(flags)).decode()

    def decrypt(self, user, token, flags=0):
        text, size = _text(token)
        return _output(LIBRARY.kc_decrypted_size(size), LIBRARY.kc_decrypt, self.value, *_text(user), text, size,
                       _call(flags))

    def user_key(self, user, flags=0):
        return Key(_handle(LIBRARY.kc_user_key, self.value, *_text(user), _call(flags)))

    def pool_key(self):
        return Key(_handle(LIBRARY.kc_pool_key, self.value))

    def is_stale(self, user, token):
        """Whether the token, which opens, is under a key that is no longer current."""
        text, size = _text(token)
        plaintext = ctypes.create_string_buffer(LIBRARY.kc_decrypted_size(size))
        return _check(LIBRARY.kc_decrypt, self.value, *_text(user), text, size, _call(KC_TELL_STALE), plaintext,
                      len(plaintext), None) == KC_STALE

    def rewrap(self, limit):
        """How many keys were moved, how many remain, how many were skipped."""
        numbers = [c_uint64() for _ in range(3)]
        _check(LIBRARY.kc_rewrap, self.value, limit, *map(byref, numbers))
        return tuple(number.value for number in numbers)

    def erase_user(self, user):
        _check(LIBRARY.kc_erase_user, self.value, *_text(user))

    def restore_user(self, user):
        _check(LIBRARY.kc_restore_user, self.value, *_text(user))

    def rotate_user(self, user):
        _check(LIBRARY.kc_rotate_user, self.value, *_text(user))

    def forget_versions(self, user):
        _check(LIBRARY.kc_forget_versions, self.value, *_text(user))

    def reencrypt(self, user, token, flags=0):
        text, size = _text(token)
        return _output(size + 8, LIBRARY.kc_reencrypt, self.value, *_text(user), text, size, _call(flags)).decode()

    def backup(self, path):
        _check(LIBRARY.kc_backup, self.value, *_text(str(path)))

    def check(self):
        report = kc_check_report(ctypes.sizeof(kc_check_report))
        _check(LIBRARY.kc_check, self.value, byref(report))
        return report

    def users(self):
        """Every user with what is known of them."""
        walk, name, size = kc_user_walk(ctypes.sizeof(kc_user_walk)), ctypes.create_string_buffer(4097), c_size_t()
        while True:
            info = kc_user_info(ctypes.sizeof(kc_user_info))
            if _check(LIBRARY.kc_next_user, self.value, byref(walk), name, len(name), byref(size), byref(info)) == KC_END:
                return
            yield name.raw[:size.value].decode(), info

    def stats(self):
        stats = kc_store_stats(ctypes.sizeof(kc_store_stats))
        _check(LIBRARY.kc_stats, self.value, byref(stats))
        return stats


def version():
    return LIBRARY.kc_version().decode()


def handle_count():
    return LIBRARY.kc_handle_count()


def is_encrypted(value):
    return LIBRARY.kc_is_encrypted(*_text(value)) == 1


def lookup_hash(api_key):
    return _output(KC_HASH_SIZE, LIBRARY.kc_hash, api_key, len(api_key)).decode()


def generate_master_key():
    return _output(KC_MASTER_KEY_TEXT_SIZE, LIBRARY.kc_master_key_generate).decode()


def decode_master_key(text):
    return _output(KC_KEY_SIZE, LIBRARY.kc_master_key_decode, *_text(text))
