using System;
using System.Collections.Generic;
using System.Globalization;
using System.Threading;

namespace Keycask
{
    /// <summary>How far a rotation of the master key has come.</summary>
    public readonly struct RewrapProgress
    {
        internal RewrapProgress(ulong done, ulong remaining, ulong skipped) => (Done, Remaining, Skipped) = (done, remaining, skipped);

        /// <summary>Keys moved.</summary>
        public ulong Done { get; }
        /// <summary>Keys not seen yet. At 0 the earlier master keys open nothing in the store.</summary>
        public ulong Remaining { get; }
        /// <summary>Damaged rows, which no given master key opens, and which are left.</summary>
        public ulong Skipped { get; }
    }

    /// <summary>What a store knows of a master key.</summary>
    public enum MasterKeyState : uint
    {
        /// <summary>Nothing.</summary>
        Unregistered = 0,
        /// <summary>It opens and creates.</summary>
        Active = 1,
        /// <summary>It opens; what hangs on it is being moved.</summary>
        Retiring = 2,
        /// <summary>It opens nothing in the store any more.</summary>
        Retired = 3,
    }

    /// <summary>What a check of a store has found.</summary>
    public sealed unsafe class StoreReport
    {
        internal StoreReport(CheckReport* found)
        {
            (Findings, Finding) = (found->Findings, Text.OfNul(found->Finding, 160));
            (Users, Good, Damaged, Unopened) = (found->Users, found->Good, found->Damaged, found->Unopened);
            (Versions, DamagedOthers, Erased, Lacking) = (found->Versions, found->DamagedOthers, found->Erased, found->Lacking);
            var keys = new ulong[CheckReport.Keys];
            var states = new MasterKeyState[CheckReport.Keys];
            for (int at = 0; at < CheckReport.Keys; at++)
                (keys[at], states[at]) = (found->Wrapped[at], (MasterKeyState)found->States[at]);
            (Keys, States) = (keys, states);
        }

        /// <summary>What SQLite itself found wrong: 0, or how many findings.</summary>
        public uint Findings { get; }
        /// <summary>The first of them.</summary>
        public string Finding { get; }
        /// <summary>Users with a row.</summary>
        public ulong Users { get; }
        /// <summary>Of these, with a key that opens.</summary>
        public ulong Good { get; }
        /// <summary>With one that does not.</summary>
        public ulong Damaged { get; }
        /// <summary>With one that may be under a master key that was not given.</summary>
        public ulong Unopened { get; }
        /// <summary>Earlier keys of users.</summary>
        public ulong Versions { get; }
        /// <summary>Earlier keys, and keys of the store's own, that do not open.</summary>
        public ulong DamagedOthers { get; }
        /// <summary>Users who were erased.</summary>
        public ulong Erased { get; }
        /// <summary>Master keys that the store uses and that were not given.</summary>
        public ulong Lacking { get; }
        /// <summary>Keys that each given master key wraps, in the order in which they were given.</summary>
        public IReadOnlyList<ulong> Keys { get; }
        /// <summary>What the store knows of each, in the same order.</summary>
        public IReadOnlyList<MasterKeyState> States { get; }
        /// <summary>Whether everything opens.</summary>
        public bool IsWell => Findings == 0 && Damaged == 0 && Unopened == 0 && DamagedOthers == 0 && Lacking == 0;
    }

    /// <summary>One of a walk over all users.</summary>
    public sealed class KeycaskUser
    {
        internal KeycaskUser(string name, KeycaskStatus key, int masterKey, ulong versions, DateTimeOffset? created) =>
            (Name, Key, MasterKey, Versions, Created) = (name, key == 0 ? (KeycaskStatus?)null : key, masterKey, versions, created);

        /// <summary>Their name; empty where the row has none.</summary>
        public string Name { get; }
        /// <summary>Why their key does not open, Corrupt or MasterKeyWrong; null: it does.</summary>
        public KeycaskStatus? Key { get; }
        /// <summary>The given master key that wraps it: 1 for the first; 0: none.</summary>
        public int MasterKey { get; }
        /// <summary>Earlier keys that are kept.</summary>
        public ulong Versions { get; }
        /// <summary>When the key was made; null where the store has no such text.</summary>
        public DateTimeOffset? Created { get; }
    }

    /// <summary>What an open store has done.</summary>
    public readonly struct StoreStats
    {
        internal StoreStats(StoreStatistics found) =>
            (CachedUsers, Hits, Misses, StoreReads, Commits, BusyWaits, Handles, LockedBytes, UnlockedBytes) =
            (found.CachedUsers, found.Hits, found.Misses, found.StoreReads, found.Commits, found.BusyWaits, found.Handles,
             found.LockedBytes, found.UnlockedBytes);

        /// <summary>Users whose keys are cached now.</summary>
        public ulong CachedUsers { get; }
        /// <summary>Calls that found their key in the cache.</summary>
        public ulong Hits { get; }
        /// <summary>Calls that did not.</summary>
        public ulong Misses { get; }
        /// <summary>Reading transactions.</summary>
        public ulong StoreReads { get; }
        /// <summary>Writing transactions.</summary>
        public ulong Commits { get; }
        /// <summary>Times that a call waited for a lock of others.</summary>
        public ulong BusyWaits { get; }
        /// <summary>Stores and keys open in this process.</summary>
        public ulong Handles { get; }
        /// <summary>Bytes of keys and their schedules in this process's locked memory.</summary>
        public ulong LockedBytes { get; }
        /// <summary>Those in memory that is not locked.</summary>
        public ulong UnlockedBytes { get; }
    }

    public sealed unsafe partial class KeycaskStore
    {
        // So many keys are moved in a step, between which the work may be cancelled.
        private const ulong RewrapStepKeys = 10_000;

        /// <summary>
        /// Moves every key to the current master key, the first that the store was opened with, while others work. When it has ended,
        /// the earlier master keys that were given open nothing any more. Cancelled it loses nothing: call it again.
        /// </summary>
        public RewrapProgress Rewrap(IProgress<RewrapProgress>? progress = null, CancellationToken cancellation = default)
        {
            ulong done = 0;
            while (true)
            {
                cancellation.ThrowIfCancellationRequested();
                RewrapProgress step = RewrapStep(RewrapStepKeys);
                var all = new RewrapProgress(done += step.Done, step.Remaining, step.Skipped);
                progress?.Report(all);
                if (all.Remaining == 0)
                    return all;
            }
        }

        /// <summary>Moves up to <paramref name="limit"/> keys, at least 1, to the current master key.</summary>
        public RewrapProgress RewrapStep(ulong limit)
        {
            Error error;
            ulong done, remaining, skipped;
            if (Native.kc_rewrap(handle, limit, &done, &remaining, &skipped, &error) < 0)
                throw Failures.Of(&error);
            return new RewrapProgress(done, remaining, skipped);
        }

        /// <summary>Destroys a user's keys, and with them every secret of theirs, wherever its token lies.</summary>
        public void EraseUser(string user)
        {
            Span<byte> name = Text.Encoded(user, stackalloc byte[Text.Short]);
            Error error;
            fixed (byte* start = name)
                if (Native.kc_erase_user(handle, start, (UIntPtr)name.Length, &error) < 0)
                    throw Failures.Of(&error);
        }

        /// <summary>Lets an erased user begin anew, with another key.</summary>
        public void RestoreUser(string user)
        {
            Span<byte> name = Text.Encoded(user, stackalloc byte[Text.Short]);
            Error error;
            fixed (byte* start = name)
                if (Native.kc_restore_user(handle, start, (UIntPtr)name.Length, &error) < 0)
                    throw Failures.Of(&error);
        }

        /// <summary>Gives a user another key. The one that they have is kept for reading.</summary>
        public void RotateUser(string user)
        {
            Span<byte> name = Text.Encoded(user, stackalloc byte[Text.Short]);
            Error error;
            fixed (byte* start = name)
                if (Native.kc_rotate_user(handle, start, (UIntPtr)name.Length, &error) < 0)
                    throw Failures.Of(&error);
        }

        /// <summary>Destroys a user's earlier keys: what was made under them opens no more.</summary>
        public void ForgetVersions(string user)
        {
            Span<byte> name = Text.Encoded(user, stackalloc byte[Text.Short]);
            Error error;
            fixed (byte* start = name)
                if (Native.kc_forget_versions(handle, start, (UIntPtr)name.Length, &error) < 0)
                    throw Failures.Of(&error);
        }

        /// <summary>Copies the store, while it is in use, to a file that is not there yet.</summary>
        public void Backup(string location)
        {
            Span<byte> path = Text.Encoded(location, stackalloc byte[Text.Short]);
            Error error;
            fixed (byte* start = path)
                if (Native.kc_backup(handle, start, (UIntPtr)path.Length, &error) < 0)
                    throw Failures.Of(&error);
        }

        /// <summary>Looks at every row, and has SQLite check its file. It writes nothing, and lets others work.</summary>
        public StoreReport Check()
        {
            Error error;
            CheckReport found = default;
            found.Size = (uint)sizeof(CheckReport);
            if (Native.kc_check(handle, &found, &error) < 0)
                throw Failures.Of(&error);
            return new StoreReport(&found);
        }

        /// <summary>What this store has done since it was opened.</summary>
        public StoreStats Stats()
        {
            Error error;
            StoreStatistics found = default;
            found.Size = (uint)sizeof(StoreStatistics);
            if (Native.kc_stats(handle, &found, &error) < 0)
                throw Failures.Of(&error);
            return new StoreStats(found);
        }

        /// <summary>Walks over all users with a row, in no order that means anything.</summary>
        public IEnumerable<KeycaskUser> Users()
        {
            UserWalk walk = FirstUser();
            while (NextUser(ref walk) is KeycaskUser user)
                yield return user;
        }

        private static UserWalk FirstUser() => new UserWalk { Size = (uint)sizeof(UserWalk) };

        private KeycaskUser? NextUser(ref UserWalk place)
        {
            Error error;
            UserWalk walk = place;
            UIntPtr len;
            var name = new byte[257];
            while (true)
            {
                UserInfo info = default;
                info.Size = (uint)sizeof(UserInfo);
                fixed (byte* start = name)
                {
                    int status = Native.kc_next_user(handle, &walk, start, (UIntPtr)name.Length, &len, &info, &error);
                    if (status == Native.Buffer)
                    {
                        name = new byte[(int)len];
                        continue;
                    }
                    if (status < 0)
                        throw Failures.Of(&error);
                    place = walk;
                    if (status == Native.End)
                        return null;
                    string made = Text.OfNul(info.CreatedAt, 40);
                    DateTimeOffset? created =
                        DateTimeOffset.TryParse(made, CultureInfo.InvariantCulture, DateTimeStyles.None, out DateTimeOffset at) ? at : (DateTimeOffset?)null;
                    string text = System.Text.Encoding.UTF8.GetString(name, 0, (int)len);
                    return new KeycaskUser(text, (KeycaskStatus)info.Key, (int)info.MasterKey, info.Versions, created);
                }
            }
        }
    }
}
