using System;
using System.Threading;
using System.Threading.Tasks;

namespace Keycask
{
    /// <summary>
    /// An open key store. Every user has an AES-256-GCM key of their own, wrapped by one master key, in an SQLite file; what the
    /// program stores elsewhere are short text tokens. Every member may be called from any thread at any time, also while another
    /// disposes it. What a function promises of durability and freshness is said in keycask.h.
    /// <code>
    /// using var store = KeycaskStore.Open("keys.db");                   // master key: API_KEY_MASTER_KEY
    /// string token = store.Encrypt("alice", "sk-alice-1234");           // "v2:…", to be kept anywhere
    /// using Secret secret = store.Decrypt("alice", token);
    /// client.Authorize(secret.Expose());
    /// </code>
    /// </summary>
    public sealed unsafe partial class KeycaskStore : IDisposable
    {
        private readonly StoreHandle handle;

        private KeycaskStore(IntPtr ticket) => handle = new StoreHandle(ticket);

        /// <summary>Opens the key store at a location, the path of an SQLite file or ":memory:", and makes it where it is missing.</summary>
        /// <exception cref="KeycaskCryptographicException">MasterKeyWrong, before anything is written; MasterKeyMissing, MasterKeyInvalid.</exception>
        /// <exception cref="KeycaskIOException">NotFound, ReadOnly, Corrupt, Busy, IO.</exception>
        public static KeycaskStore Open(string location, KeycaskOptions? options = null)
        {
            Native.Require();
            options ??= new KeycaskOptions();
            if (options.BusyTimeout < TimeSpan.Zero)
                throw new ArgumentOutOfRangeException(nameof(options), "BusyTimeout is below zero: give zero for not waiting");
            double milliseconds = Math.Ceiling(options.BusyTimeout.TotalMilliseconds);
            var how = new Options
            {
                Size = (uint)sizeof(Options),
                Flags = (options.ReadOnly ? 1u : 0) | (options.MustExist ? 2u : 0) | (options.Snapshots ? 4u : 0) |
                    (options.Unlocked ? 8u : 0),
                BusyTimeoutMs = milliseconds == 0 ? Native.None : (uint)Math.Min(milliseconds, Native.None - 1),
                CacheUsers = options.CacheUsers == 0 ? Native.None : checked((uint)options.CacheUsers),
            };
            Span<byte> path = Text.Encoded(location, stackalloc byte[Text.Short]);
            using Secret? keys = Ring(options);
            Error error;
            IntPtr store;
            int status;
            fixed (byte* pathStart = path)
            {
                UIntPtr keysLen = keys == null ? Native.FromEnvironment : (UIntPtr)keys.ByteCount;
                status = Native.kc_open(pathStart, (UIntPtr)path.Length, keys == null ? null : keys.Start, keysLen, &how, &store, &error);
            }
            if (status < 0)
                throw Failures.Of(&error);
            return new KeycaskStore(store);
        }

        // The given master keys behind each other; null: the environment's.
        private static Secret? Ring(KeycaskOptions options)
        {
            if (options.MasterKeys == null)
                return null;
            foreach (Secret key in options.MasterKeys)
                if (key.ByteCount != Native.KeySize)
                    return key.Copy(); // Alone, to be refused: beside others it might seem in order.
            var ring = new Secret(options.MasterKeys.Count * Native.KeySize);
            foreach (Secret key in options.MasterKeys)
            {
                key.CopyTo(new Span<byte>(ring.Start + ring.ByteCount, Native.KeySize));
                ring.ByteCount += Native.KeySize;
            }
            return ring;
        }

        /// <summary><see cref="Open"/> on the thread pool: opening touches the disk.</summary>
        public static ValueTask<KeycaskStore> OpenAsync(string location, KeycaskOptions? options = null, CancellationToken cancellation = default) =>
            new ValueTask<KeycaskStore>(Task.Run(() => Open(location, options), cancellation));

        /// <summary>Encrypts a user's secret to a token. A user without a key gets one, which is durable when this returns.</summary>
        public string Encrypt(string user, string secret, KeycaskCall how = KeycaskCall.None) => Encrypt(user, secret.AsSpan(), how);

        /// <summary>Encrypts a user's secret to a token.</summary>
        public string Encrypt(string user, ReadOnlySpan<char> secret, KeycaskCall how = KeycaskCall.None)
        {
            using var text = new SecretText(secret, stackalloc byte[Text.Short]);
            return Encrypt(user, text.Bytes, how);
        }

        /// <summary>Encrypts a user's secret, of any bytes, to a token.</summary>
        public string Encrypt(string user, ReadOnlySpan<byte> secret, KeycaskCall how = KeycaskCall.None)
        {
            Error error;
            string? token = Encrypted(user, secret, (uint)how, &error);
            return token ?? throw Failures.Of(&error);
        }

        // Null: *error says why.
        private string? Encrypted(string user, ReadOnlySpan<byte> secret, uint flags, Error* error)
        {
            Span<byte> name = Text.Encoded(user, stackalloc byte[Text.Short]);
            Span<byte> token = Room.ForToken(secret.Length, stackalloc byte[Text.Short]);
            UIntPtr len;
            var call = new Call(flags);
            fixed (byte* nameStart = name, secretStart = secret, tokenStart = token)
            {
                int status = Native.kc_encrypt(handle, nameStart, (UIntPtr)name.Length, secretStart, (UIntPtr)secret.Length, &call, tokenStart, (UIntPtr)token.Length, &len, error);
                return status < 0 ? null : Text.Decoded(tokenStart, (int)len);
            }
        }

        /// <summary>Decrypts a user's token. It never makes a key.</summary>
        /// <exception cref="KeycaskCryptographicException">Format, Authentication, UnknownUser, UserDestroyed, MasterKeyWrong.</exception>
        public Secret Decrypt(string user, string token, KeycaskCall how = KeycaskCall.None)
        {
            Error error;
            Secret? secret = Decrypted(user, token, (uint)how, &error, out _);
            return secret ?? throw Failures.Of(&error);
        }

        // Null: *error says why.
        private Secret? Decrypted(string user, string token, uint flags, Error* error, out bool stale)
        {
            Span<byte> name = Text.Encoded(user, stackalloc byte[Text.Short]);
            Span<byte> text = Text.Encoded(token, stackalloc byte[Text.Short]);
            int capacity = Room.ForPlaintext(text.Length);
            var secret = new Secret(capacity);
            UIntPtr len;
            var call = new Call(flags);
            int status;
            fixed (byte* nameStart = name, tokenStart = text)
                status = Native.kc_decrypt(handle, nameStart, (UIntPtr)name.Length, tokenStart, (UIntPtr)text.Length, &call, secret.Start, (UIntPtr)capacity, &len, error);
            stale = status == Native.Stale;
            if (status < 0)
            {
                secret.Dispose();
                return null;
            }
            secret.ByteCount = (int)len;
            return secret;
        }

        /// <summary>Decrypts a user's token to the caller's memory, which the caller wipes, and allocates nothing. False: the memory is too short.</summary>
        public bool TryDecrypt(string user, ReadOnlySpan<char> token, Span<byte> destination, out int written, KeycaskCall how = KeycaskCall.None)
        {
            Span<byte> name = Text.Encoded(user, stackalloc byte[Text.Short]);
            Span<byte> text = Text.Encoded(token, stackalloc byte[Text.Short]);
            Error error;
            UIntPtr len;
            var call = new Call((uint)how);
            int status;
            fixed (byte* nameStart = name, tokenStart = text, start = destination)
                status = Native.kc_decrypt(handle, nameStart, (UIntPtr)name.Length, tokenStart, (UIntPtr)text.Length, &call, start, (UIntPtr)destination.Length, &len, &error);
            written = status < 0 ? 0 : (int)len;
            if (status < 0 && status != Native.Buffer)
                throw Failures.Of(&error);
            return status >= 0;
        }

        /// <summary>Encrypts a user's secret: at once where their key is cached, else on the thread pool, since the disk is touched.</summary>
        public ValueTask<string> EncryptAsync(string user, string secret, KeycaskCall how = KeycaskCall.None, CancellationToken cancellation = default)
        {
            if (cancellation.IsCancellationRequested)
                return new ValueTask<string>(Task.FromCanceled<string>(cancellation));
            using var text = new SecretText(secret, stackalloc byte[Text.Short]);
            Error error;
            string? token = Encrypted(user, text.Bytes, (uint)how | Native.CachedOnly, &error);
            if (token != null)
                return new ValueTask<string>(token);
            if (error.Status != Native.WouldBlock || (how & KeycaskCall.CachedOnly) != 0)
                return new ValueTask<string>(Task.FromException<string>(Failures.Of(&error)));
            return new ValueTask<string>(Task.Run(() => Encrypt(user, secret, how), cancellation));
        }

        /// <summary>Decrypts a user's token: at once where their key is cached, else on the thread pool, since the disk is touched.</summary>
        public ValueTask<Secret> DecryptAsync(string user, string token, KeycaskCall how = KeycaskCall.None, CancellationToken cancellation = default)
        {
            if (cancellation.IsCancellationRequested)
                return new ValueTask<Secret>(Task.FromCanceled<Secret>(cancellation));
            Error error;
            Secret? secret = Decrypted(user, token, (uint)how | Native.CachedOnly, &error, out _);
            if (secret != null)
                return new ValueTask<Secret>(secret);
            if (error.Status != Native.WouldBlock || (how & KeycaskCall.CachedOnly) != 0)
                return new ValueTask<Secret>(Task.FromException<Secret>(Failures.Of(&error)));
            return new ValueTask<Secret>(Task.Run(() => Decrypt(user, token, how), cancellation));
        }

        /// <summary>Whether a token was made under an earlier key of the user, so that <see cref="Reencrypt"/> is due.</summary>
        public bool IsStale(string user, string token)
        {
            Error error;
            using Secret? secret = Decrypted(user, token, Native.TellStale, &error, out bool stale);
            return secret != null ? stale : throw Failures.Of(&error);
        }

        /// <summary>Makes of a user's token one under their current key.</summary>
        public string Reencrypt(string user, string token, KeycaskCall how = KeycaskCall.None)
        {
            Span<byte> name = Text.Encoded(user, stackalloc byte[Text.Short]);
            Span<byte> text = Text.Encoded(token, stackalloc byte[Text.Short]);
            Span<byte> made = Room.ForToken(Room.ForPlaintext(text.Length), stackalloc byte[Text.Short]);
            Error error;
            UIntPtr len;
            var call = new Call((uint)how);
            fixed (byte* nameStart = name, tokenStart = text, start = made)
            {
                if (Native.kc_reencrypt(handle, nameStart, (UIntPtr)name.Length, tokenStart, (UIntPtr)text.Length, &call, start, (UIntPtr)made.Length, &len, &error) < 0)
                    throw Failures.Of(&error);
                return Text.Decoded(start, (int)len);
            }
        }

        /// <summary>A user's key, for many values of theirs. It follows the user's current key.</summary>
        public KeycaskKey Key(string user, KeycaskCall how = KeycaskCall.None)
        {
            Span<byte> name = Text.Encoded(user, stackalloc byte[Text.Short]);
            Error error;
            IntPtr key;
            var call = new Call((uint)how);
            fixed (byte* nameStart = name)
                if (Native.kc_user_key(handle, nameStart, (UIntPtr)name.Length, &call, &key, &error) < 0)
                    throw Failures.Of(&error);
            return new KeycaskKey(key);
        }

        /// <summary>The key for values that belong to no single user.</summary>
        public KeycaskKey PoolKey()
        {
            Error error;
            IntPtr key;
            if (Native.kc_pool_key(handle, &key, &error) < 0)
                throw Failures.Of(&error);
            return new KeycaskKey(key);
        }

        /// <summary>Says nothing of what is in it.</summary>
        public override string ToString() => handle.IsClosed ? "KeycaskStore, disposed" : "KeycaskStore, open";

        /// <summary>Ends the store, and the keys that came from it. Calls in flight finish. A second time it does nothing.</summary>
        public void Dispose() => handle.Dispose();
    }
}
