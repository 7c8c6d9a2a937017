using System;
using System.Collections.Generic;

namespace Keycask
{
    /// <summary>How one call behaves.</summary>
    [Flags]
    public enum KeycaskCall : uint
    {
        /// <summary>Plainly.</summary>
        None = 0,
        /// <summary>Never make a key for an unknown user: UnknownUser.</summary>
        Existing = 1,
        /// <summary>WouldBlock rather than touch the store: microseconds, or an exception.</summary>
        CachedOnly = 2,
        /// <summary>Take tokens in canonical form alone, as Encrypt writes them.</summary>
        Strict = 4,
    }

    /// <summary>How a store is opened. As it is made, it suits a service that creates and reads.</summary>
    public sealed class KeycaskOptions
    {
        /// <summary>
        /// The master keys, of 32 bytes each, the current one first. Null: those of API_KEY_MASTER_KEY and
        /// API_KEY_MASTER_KEY_PREVIOUS, or of the files that their _FILE variables name: as the process was started with them,
        /// since what .NET sets afterwards, no library sees.
        /// </summary>
        public IReadOnlyList<Secret>? MasterKeys { get; set; }

        /// <summary>Never write, not even to roll back what a crashed program left.</summary>
        public bool ReadOnly { get; set; }

        /// <summary>NotFound rather than make a store that is missing.</summary>
        public bool MustExist { get; set; }

        /// <summary>This process will be snapshotted, and resumed more than once.</summary>
        public bool Snapshots { get; set; }

        /// <summary>From now on this process locks no memory for keys (mlock).</summary>
        public bool Unlocked { get; set; }

        /// <summary>How long a call waits for other programs' locks; zero: not at all.</summary>
        public TimeSpan BusyTimeout { get; set; } = TimeSpan.FromSeconds(5);

        /// <summary>How many users' keys are kept unwrapped; 0: none.</summary>
        public int CacheUsers { get; set; } = 65_536;
    }
}
