using System;
using System.Security.Cryptography;
using System.Text;

namespace Keycask
{
    // Strings to UTF-8 and back. A string that holds half a surrogate pair is refused, and never becomes another's name.
    internal static unsafe class Text
    {
        // API keys, tokens of them and users are shorter, and are encoded on the stack.
        internal const int Short = 512;

        private static readonly UTF8Encoding Utf8 = new UTF8Encoding(false, true);

        internal static int Room(int chars) => Utf8.GetMaxByteCount(chars);

        // The UTF-8 of a text, in the room or in memory of its own.
        internal static Span<byte> Encoded(ReadOnlySpan<char> text, Span<byte> room)
        {
            if (Room(text.Length) > room.Length)
                room = new byte[Utf8.GetByteCount(text)];
            return room.Slice(0, Utf8.GetBytes(text, room));
        }

        internal static int BytesOf(ReadOnlySpan<char> text) => Utf8.GetByteCount(text);

        internal static int Encode(ReadOnlySpan<char> text, Span<byte> room) => Utf8.GetBytes(text, room);

        internal static string Decoded(byte* start, int len) => Utf8.GetString(start, len);

        // The text of a field that ends in a NUL.
        internal static string OfNul(byte* field, int room)
        {
            int len = new ReadOnlySpan<byte>(field, room).IndexOf((byte)0);
            return Encoding.UTF8.GetString(field, len < 0 ? room : len);
        }

        internal static void Wipe(Span<byte> memory) => CryptographicOperations.ZeroMemory(memory);
    }

    // The UTF-8 of a secret text, on the stack or outside the collector's memory, and wiped at the end.
    internal unsafe ref struct SecretText
    {
        private readonly Secret? outside;

        internal readonly Span<byte> Bytes;

        internal SecretText(ReadOnlySpan<char> text, Span<byte> room)
        {
            outside = null;
            if (Text.Room(text.Length) > room.Length)
            {
                int count = Text.BytesOf(text);
                outside = new Secret(count);
                room = new Span<byte>(outside.Start, count);
            }
            Bytes = room.Slice(0, Text.Encode(text, room));
        }

        internal void Dispose()
        {
            Text.Wipe(Bytes);
            outside?.Dispose();
        }
    }
}
