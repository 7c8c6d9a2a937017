using System;
using System.IO;
using System.Security.Cryptography;

namespace Keycask
{
    /// <summary>What kind of failure an exception is. The library's header says more of each: <c>UnknownUser</c> is its KC_E_UNKNOWN_USER.</summary>
    public enum KeycaskStatus
    {
#pragma warning disable CS1591 // Their names say it.
        Argument = -1, Handle = -2, Buffer = -3, Format = -4, Authentication = -5, UnknownUser = -6, UserDestroyed = -7,
        MasterKeyMissing = -8, MasterKeyInvalid = -9, MasterKeyWrong = -10, Corrupt = -11, Busy = -12, IO = -13, ReadOnly = -14,
        NotFound = -15, Exists = -16, Limit = -17, Random = -18, Memory = -19, WouldBlock = -20, Unsupported = -21, Internal = -99,
#pragma warning restore CS1591
    }

    /// <summary>
    /// What every exception of keycask is, besides what .NET calls it. Its message says what was found, what was expected and what
    /// to do, and holds no secret.
    /// <code>catch (Exception e) when (e is IKeycaskException { Status: KeycaskStatus.UnknownUser })</code>
    /// </summary>
    public interface IKeycaskException
    {
        /// <summary>The library's status. A later library may have others than this release knows.</summary>
        KeycaskStatus Status { get; }

        /// <summary>The system's error number (errno), or 0.</summary>
        int OSError { get; }

        /// <summary>SQLite's extended result code, or 0.</summary>
        int EngineError { get; }
    }

    /// <summary>A token, a user's key or a master key does not fit: Format, Authentication, UnknownUser, UserDestroyed, MasterKeyMissing, MasterKeyInvalid, MasterKeyWrong, Random; and what this release does not know.</summary>
    public sealed class KeycaskCryptographicException : CryptographicException, IKeycaskException
    {
        internal KeycaskCryptographicException(string message, KeycaskStatus status, int osError, int engineError) : base(message) =>
            (Status, OSError, EngineError) = (status, osError, engineError);

        /// <inheritdoc/>
        public KeycaskStatus Status { get; }
        /// <inheritdoc/>
        public int OSError { get; }
        /// <inheritdoc/>
        public int EngineError { get; }
    }

    /// <summary>The store's file cannot be used as it was to be: Corrupt, Busy, IO, ReadOnly, NotFound, Exists, WouldBlock.</summary>
    public sealed class KeycaskIOException : IOException, IKeycaskException
    {
        internal KeycaskIOException(string message, KeycaskStatus status, int osError, int engineError) : base(message) =>
            (Status, OSError, EngineError) = (status, osError, engineError);

        /// <inheritdoc/>
        public KeycaskStatus Status { get; }
        /// <inheritdoc/>
        public int OSError { get; }
        /// <inheritdoc/>
        public int EngineError { get; }
    }

    /// <summary>An argument is malformed, empty, or longer than a stated limit: Argument, Limit.</summary>
    public sealed class KeycaskArgumentException : ArgumentException, IKeycaskException
    {
        internal KeycaskArgumentException(string message, KeycaskStatus status, int osError, int engineError) : base(message) =>
            (Status, OSError, EngineError) = (status, osError, engineError);

        /// <inheritdoc/>
        public KeycaskStatus Status { get; }
        /// <inheritdoc/>
        public int OSError { get; }
        /// <inheritdoc/>
        public int EngineError { get; }
    }

    /// <summary>The store, or the store that a key came from, has been disposed: Handle.</summary>
    public sealed class KeycaskDisposedException : ObjectDisposedException, IKeycaskException
    {
        internal KeycaskDisposedException(string message, KeycaskStatus status, int osError, int engineError) : base(null, message) =>
            (Status, OSError, EngineError) = (status, osError, engineError);

        /// <inheritdoc/>
        public KeycaskStatus Status { get; }
        /// <inheritdoc/>
        public int OSError { get; }
        /// <inheritdoc/>
        public int EngineError { get; }
    }

    /// <summary>A later token or store, a scheme that this build does not have, or a database of something else: Unsupported.</summary>
    public sealed class KeycaskUnsupportedException : NotSupportedException, IKeycaskException
    {
        internal KeycaskUnsupportedException(string message, KeycaskStatus status, int osError, int engineError) : base(message) =>
            (Status, OSError, EngineError) = (status, osError, engineError);

        /// <inheritdoc/>
        public KeycaskStatus Status { get; }
        /// <inheritdoc/>
        public int OSError { get; }
        /// <inheritdoc/>
        public int EngineError { get; }
    }

    /// <summary>A defect of keycask's own, to be reported, or no memory: Internal, Buffer, Memory.</summary>
    public sealed class KeycaskInternalException : InvalidOperationException, IKeycaskException
    {
        internal KeycaskInternalException(string message, KeycaskStatus status, int osError, int engineError) : base(message) =>
            (Status, OSError, EngineError) = (status, osError, engineError);

        /// <inheritdoc/>
        public KeycaskStatus Status { get; }
        /// <inheritdoc/>
        public int OSError { get; }
        /// <inheritdoc/>
        public int EngineError { get; }
    }

    internal static class Failures
    {
        // The exception of a status.
        internal static unsafe Exception Of(Error* error)
        {
            string message = Text.OfNul(error->Message, 496);
            return Of((KeycaskStatus)error->Status, message, error->OsError, error->EngineError);
        }

        internal static Exception Of(KeycaskStatus status, string message, int osError, int engineError)
        {
            switch (status)
            {
                case KeycaskStatus.Argument:
                case KeycaskStatus.Limit:
                    return new KeycaskArgumentException(message, status, osError, engineError);
                case KeycaskStatus.Handle:
                    return new KeycaskDisposedException(message, status, osError, engineError);
                case KeycaskStatus.Corrupt:
                case KeycaskStatus.Busy:
                case KeycaskStatus.IO:
                case KeycaskStatus.ReadOnly:
                case KeycaskStatus.NotFound:
                case KeycaskStatus.Exists:
                case KeycaskStatus.WouldBlock:
                    return new KeycaskIOException(message, status, osError, engineError);
                case KeycaskStatus.Unsupported:
                    return new KeycaskUnsupportedException(message, status, osError, engineError);
                case KeycaskStatus.Internal:
                case KeycaskStatus.Buffer:
                case KeycaskStatus.Memory:
                    return new KeycaskInternalException(message, status, osError, engineError);
                default:
                    return new KeycaskCryptographicException(message, status, osError, engineError);
            }
        }
    }
}
