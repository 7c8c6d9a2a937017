using System;

namespace Keycask
{
    /// <summary>
    /// A key in hand: a user's, the pool's, or one of the caller's own. One that came from a store ends when the store is disposed.
    /// Every member may be called from any thread at any time.
    /// </summary>
    public sealed unsafe class KeycaskKey : IDisposable
    {
        private readonly KeyHandle handle;

        internal KeycaskKey(IntPtr ticket) => handle = new KeyHandle(ticket);

        /// <summary>A key of 32 bytes of the caller's own, which are copied.</summary>
        public static KeycaskKey Import(ReadOnlySpan<byte> raw)
        {
            Native.Require();
            Error error;
            IntPtr key;
            fixed (byte* start = raw)
                if (Native.kc_key_import(start, (UIntPtr)raw.Length, &key, &error) < 0)
                    throw Failures.Of(&error);
            return new KeycaskKey(key);
        }

        /// <summary>The key's 32 bytes. Whoever has them opens every token made under it.</summary>
        public Secret Export()
        {
            Error error;
            var raw = new Secret(Native.KeySize);
            if (Native.kc_key_export(handle, raw.Start, (UIntPtr)Native.KeySize, null, &error) < 0)
            {
                raw.Dispose();
                throw Failures.Of(&error);
            }
            raw.ByteCount = Native.KeySize;
            return raw;
        }

        /// <summary>Encrypts a secret to a token.</summary>
        public string Encrypt(string secret) => Encrypt(secret.AsSpan());

        /// <summary>Encrypts a secret to a token.</summary>
        public string Encrypt(ReadOnlySpan<char> secret)
        {
            using var text = new SecretText(secret, stackalloc byte[Text.Short]);
            return Encrypt(text.Bytes);
        }

        /// <summary>Encrypts bytes to a token.</summary>
        public string Encrypt(ReadOnlySpan<byte> secret)
        {
            Span<byte> token = Room.ForToken(secret.Length, stackalloc byte[Text.Short]);
            Error error;
            UIntPtr len;
            var call = new Call(0);
            fixed (byte* secretStart = secret, tokenStart = token)
            {
                if (Native.kc_key_encrypt(handle, secretStart, (UIntPtr)secret.Length, &call, tokenStart, (UIntPtr)token.Length, &len, &error) < 0)
                    throw Failures.Of(&error);
                return Text.Decoded(tokenStart, (int)len);
            }
        }

        /// <summary>Decrypts a token made under this key.</summary>
        public Secret Decrypt(string token, KeycaskCall how = KeycaskCall.None)
        {
            Span<byte> text = Text.Encoded(token, stackalloc byte[Text.Short]);
            Error error;
            UIntPtr len;
            var call = new Call((uint)how);
            var secret = new Secret(Room.ForPlaintext(text.Length));
            fixed (byte* tokenStart = text)
                if (Native.kc_key_decrypt(handle, tokenStart, (UIntPtr)text.Length, &call, secret.Start, (UIntPtr)Room.ForPlaintext(text.Length), &len, &error) < 0)
                {
                    secret.Dispose();
                    throw Failures.Of(&error);
                }
            secret.ByteCount = (int)len;
            return secret;
        }

        /// <summary>Says nothing of it.</summary>
        public override string ToString() => "KeycaskKey [redacted]";

        /// <summary>Ends the key. Calls in flight finish. A second time it does nothing.</summary>
        public void Dispose() => handle.Dispose();
    }

    // Where outputs go.
    internal static class Room
    {
        internal static Span<byte> ForToken(int plaintextLen, Span<byte> room)
        {
            int capacity = (int)Native.kc_encrypted_size((UIntPtr)plaintextLen);
            return capacity <= room.Length ? room : new byte[capacity];
        }

        internal static int ForPlaintext(int tokenLen) => (int)Native.kc_decrypted_size((UIntPtr)tokenLen);
    }
}
