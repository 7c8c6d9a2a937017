using System;

namespace Keycask
{
    /// <summary>What needs no store.</summary>
    public static unsafe class ApiKeys
    {
        /// <summary>The length of a raw key in bytes.</summary>
        public const int KeySize = Native.KeySize;

        /// <summary>The library's version, such as "1.0.0".</summary>
        public static string Version
        {
            get
            {
                Native.Require();
                return Text.OfNul(Native.kc_version(), 64);
            }
        }


        /// <summary>How many stores and keys are open in this process. A test that ends with another count has found a leak.</summary>
        public static long HandleCount
        {
            get
            {
                Native.Require();
                return (long)Native.kc_handle_count();
            }
        }

        /// <summary>Whether a value is a token, and not plaintext from before tokens.</summary>
        public static bool IsEncrypted(string? value)
        {
            Native.Require();
            // It is told by how a value begins, and what begins otherwise need not be UTF-8.
            ReadOnlySpan<char> begin = value.AsSpan(0, Math.Min(value?.Length ?? 0, 8));
            Span<byte> bytes = stackalloc byte[8];
            int len = 0;
            while (len < begin.Length && begin[len] < 128)
                bytes[len] = (byte)begin[len++];
            fixed (byte* start = bytes)
                return Native.kc_is_encrypted(start, (UIntPtr)len) == 1;
        }

        /// <summary>The lookup hash of an API key: 64 lower-case hex digits, by which it is found without being kept.</summary>
        public static string Hash(string apiKey)
        {
            using var text = new SecretText(apiKey, stackalloc byte[Text.Short]);
            return Hash(text.Bytes);
        }

        /// <summary>The lookup hash of an API key of any bytes.</summary>
        public static string Hash(ReadOnlySpan<byte> apiKey)
        {
            Native.Require();
            byte* hex = stackalloc byte[Native.HashSize];
            Error error;
            UIntPtr len;
            fixed (byte* start = apiKey)
                if (Native.kc_hash(start, (UIntPtr)apiKey.Length, hex, (UIntPtr)Native.HashSize, &len, &error) < 0)
                    throw Failures.Of(&error);
            return Text.Decoded(hex, (int)len);
        }

        /// <summary>Makes a new master key, as the text that API_KEY_MASTER_KEY holds.</summary>
        public static Secret GenerateMasterKey()
        {
            Native.Require();
            var text = new Secret(Native.MasterKeyTextSize);
            Error error;
            UIntPtr len;
            if (Native.kc_master_key_generate(text.Start, (UIntPtr)Native.MasterKeyTextSize, &len, &error) < 0)
            {
                text.Dispose();
                throw Failures.Of(&error);
            }
            text.ByteCount = (int)len;
            return text;
        }

        /// <summary>Reads a master key's text: the 32 bytes that <see cref="KeycaskOptions.MasterKeys"/> takes.</summary>
        public static Secret DecodeMasterKey(ReadOnlySpan<char> text)
        {
            Native.Require();
            using var given = new SecretText(text, stackalloc byte[Text.Short]);
            var raw = new Secret(Native.KeySize);
            Error error;
            UIntPtr len;
            int status;
            fixed (byte* start = given.Bytes)
                status = Native.kc_master_key_decode(start, (UIntPtr)given.Bytes.Length, raw.Start, (UIntPtr)Native.KeySize, &len, &error);
            if (status < 0)
            {
                raw.Dispose();
                throw Failures.Of(&error);
            }
            raw.ByteCount = Native.KeySize;
            return raw;
        }
    }
}
