using System;
using System.Runtime.InteropServices;

namespace Keycask
{
    /// <summary>
    /// Bytes that are wiped when this is disposed, or collected. They lie outside the collector's memory, so that no copy of them is
    /// left behind. Printed, logged or serialised it says <c>[redacted]</c>.
    /// </summary>
    public sealed unsafe class Secret : SafeHandle
    {
        private readonly int capacity;

        internal Secret(int capacity) : base(IntPtr.Zero, true)
        {
            this.capacity = capacity;
            SetHandle(Marshal.AllocHGlobal(Math.Max(capacity, 1)));
        }

        /// <summary>A secret of these bytes, which are copied.</summary>
        public Secret(ReadOnlySpan<byte> bytes) : this(bytes.Length)
        {
            bytes.CopyTo(new Span<byte>((void*)handle, capacity));
            ByteCount = bytes.Length;
        }

        /// <summary>How many bytes it has.</summary>
        public int ByteCount { get; internal set; }

        internal byte* Start => (byte*)handle;

        internal Secret Copy()
        {
            var copy = new Secret(ByteCount) { ByteCount = ByteCount };
            CopyTo(new Span<byte>(copy.Start, ByteCount));
            return copy;
        }

        /// <summary>The bytes, for <paramref name="use"/> alone: they are gone when this is disposed.</summary>
        public TResult Use<TResult>(Func<IntPtr, int, TResult> use)
        {
            bool held = false;
            try
            {
                DangerousAddRef(ref held);
                return use(handle, ByteCount);
            }
            finally
            {
                if (held)
                    DangerousRelease();
            }
        }

        /// <summary>Copies the bytes to <paramref name="destination"/>, which the caller wipes.</summary>
        /// <exception cref="ArgumentException">It is shorter than <see cref="ByteCount"/>.</exception>
        public void CopyTo(Span<byte> destination)
        {
            bool held = false;
            try
            {
                DangerousAddRef(ref held);
                new ReadOnlySpan<byte>((void*)handle, ByteCount).CopyTo(destination);
            }
            finally
            {
                if (held)
                    DangerousRelease();
            }
        }

        /// <summary>A copy of the bytes, which the caller wipes.</summary>
        public byte[] ToArray()
        {
            var copy = new byte[ByteCount];
            CopyTo(copy);
            return copy;
        }

        /// <summary>The text, as a string that nobody can wipe.</summary>
        /// <exception cref="System.Text.DecoderFallbackException">The bytes are not UTF-8.</exception>
        public string Expose()
        {
            bool held = false;
            try
            {
                DangerousAddRef(ref held);
                return Text.Decoded((byte*)handle, ByteCount);
            }
            finally
            {
                if (held)
                    DangerousRelease();
            }
        }

        /// <summary>Says <c>[redacted]</c>.</summary>
        public override string ToString() => "[redacted]";

        /// <inheritdoc/>
        public override bool IsInvalid => handle == IntPtr.Zero;

        /// <inheritdoc/>
        protected override bool ReleaseHandle()
        {
            Text.Wipe(new Span<byte>((void*)handle, capacity));
            Marshal.FreeHGlobal(handle);
            return true;
        }
    }
}
