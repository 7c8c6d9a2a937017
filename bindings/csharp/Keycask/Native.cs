using System;
using System.Diagnostics;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Keycask
{
    // What C knows. Each signature is blittable but for the handles, which the runtime keeps alive for the call.

    internal sealed class StoreHandle : SafeHandleZeroOrMinusOneIsInvalid
    {
        internal StoreHandle(IntPtr ticket) : base(true) => SetHandle(ticket);

        protected override bool ReleaseHandle() => Native.kc_free(handle) >= 0;
    }

    internal sealed class KeyHandle : SafeHandleZeroOrMinusOneIsInvalid
    {
        internal KeyHandle(IntPtr ticket) : base(true) => SetHandle(ticket);

        protected override bool ReleaseHandle() => Native.kc_free(handle) >= 0;
    }

    internal unsafe struct Error
    {
        internal int Status, OsError, EngineError, Reserved;
        internal fixed byte Message[496];
    }

    internal struct Options
    {
        internal uint Size, Flags, BusyTimeoutMs, CacheUsers;
    }

    internal unsafe struct Call
    {
        internal uint Size, Flags;
        internal void* AssociatedData;
        internal UIntPtr AssociatedDataLen;

        internal Call(uint flags)
        {
            Size = (uint)sizeof(Call);
            Flags = flags;
            AssociatedData = null;
            AssociatedDataLen = UIntPtr.Zero;
        }
    }

    internal unsafe struct CheckReport
    {
        internal const int Keys = 16;
        internal uint Size, Findings;
        internal ulong Users, Good, Damaged, Unopened, Versions, DamagedOthers, Erased, Lacking;
        internal fixed ulong Wrapped[Keys];
        internal fixed uint States[Keys];
        internal fixed byte Finding[160];
    }

    internal unsafe struct UserWalk
    {
        internal uint Size, Begun;
        internal fixed ulong Place[4];
    }

    internal unsafe struct UserInfo
    {
        internal uint Size;
        internal int Key;
        internal uint MasterKey, Reserved;
        internal ulong Versions;
        internal fixed byte CreatedAt[40];
    }

    internal struct StoreStatistics
    {
        internal uint Size, Reserved;
        internal ulong CachedUsers, Hits, Misses, StoreReads, Commits, BusyWaits, Handles, LockedBytes, UnlockedBytes;
    }

    internal static unsafe class Native
    {
        private const string Library = "keycask";
        private const uint Abi = 1;

        internal const uint None = uint.MaxValue;
        internal const uint CachedOnly = 2, TellStale = 8;
        internal const int Ok = 0, Stale = 1, End = 2, Buffer = -3, WouldBlock = -20;
        internal const int KeySize = 32, HashSize = 65, MasterKeyTextSize = 45;
        internal static readonly UIntPtr FromEnvironment = new UIntPtr(ulong.MaxValue);

        // Why the library that was found cannot be used, or null.
        private static readonly string? Unfit = Found();

        // Before the first handle there is: refuses a library of another interface.
        internal static void Require()
        {
            if (Unfit != null)
                throw new KeycaskUnsupportedException(Unfit, KeycaskStatus.Unsupported, 0, 0);
        }

        private static string? Found()
        {
#if NETCOREAPP
            NativeLibrary.SetDllImportResolver(typeof(Native).Assembly, Resolve);
#endif
            uint found = kc_abi_version();
            if (found == Abi)
                return null;
            string place = "the library";
            foreach (ProcessModule? module in Process.GetCurrentProcess().Modules)
                if (module?.FileName != null && module.FileName.Contains("libkeycask"))
                    place = module.FileName;
            return $"this assembly needs a libkeycask of interface {Abi}, and {place}, version {Text.OfNul(kc_version(), 64)}, has interface {found}: install libkeycask.so.{Abi}";
        }

#if NETCOREAPP
        // KEYCASK_LIBRARY first; then what the package brings, or the system has, by either name.
        private static IntPtr Resolve(string name, System.Reflection.Assembly assembly, DllImportSearchPath? path)
        {
            if (name != Library)
                return IntPtr.Zero;
            string? asked = Environment.GetEnvironmentVariable("KEYCASK_LIBRARY");
            if (!string.IsNullOrEmpty(asked))
                return NativeLibrary.Load(asked);
            if (NativeLibrary.TryLoad(Library, assembly, path, out IntPtr found) || NativeLibrary.TryLoad("libkeycask.so.1", assembly, path, out found))
                return found;
            return IntPtr.Zero;
        }
#endif

        [DllImport(Library, ExactSpelling = true)] internal static extern uint kc_abi_version();
        [DllImport(Library, ExactSpelling = true)] internal static extern byte* kc_version();
        [DllImport(Library, ExactSpelling = true)] internal static extern UIntPtr kc_handle_count();
        [DllImport(Library, ExactSpelling = true)] internal static extern void kc_wipe(void* memory, UIntPtr len);
        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_free(IntPtr handle);
        [DllImport(Library, ExactSpelling = true)] internal static extern UIntPtr kc_encrypted_size(UIntPtr plaintextLen);
        [DllImport(Library, ExactSpelling = true)] internal static extern UIntPtr kc_decrypted_size(UIntPtr tokenLen);
        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_is_encrypted(byte* value, UIntPtr valueLen);

        [DllImport(Library, ExactSpelling = true)]
        internal static extern int kc_hash(void* apiKey, UIntPtr apiKeyLen, byte* hex, UIntPtr capacity, UIntPtr* len, Error* error);

        [DllImport(Library, ExactSpelling = true)]
        internal static extern int kc_open(byte* location, UIntPtr locationLen, void* masterKeys, UIntPtr masterKeysLen, Options* options, IntPtr* store, Error* error);

        [DllImport(Library, ExactSpelling = true)]
        internal static extern int kc_encrypt(StoreHandle store, byte* user, UIntPtr userLen, void* plaintext, UIntPtr plaintextLen, Call* call, byte* token, UIntPtr capacity, UIntPtr* len, Error* error);

        [DllImport(Library, ExactSpelling = true)]
        internal static extern int kc_decrypt(StoreHandle store, byte* user, UIntPtr userLen, byte* token, UIntPtr tokenLen, Call* call, void* plaintext, UIntPtr capacity, UIntPtr* len, Error* error);

        [DllImport(Library, ExactSpelling = true)]
        internal static extern int kc_reencrypt(StoreHandle store, byte* user, UIntPtr userLen, byte* token, UIntPtr tokenLen, Call* call, byte* newToken, UIntPtr capacity, UIntPtr* len, Error* error);

        [DllImport(Library, ExactSpelling = true)]
        internal static extern int kc_user_key(StoreHandle store, byte* user, UIntPtr userLen, Call* call, IntPtr* key, Error* error);

        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_pool_key(StoreHandle store, IntPtr* key, Error* error);
        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_key_import(void* raw, UIntPtr rawLen, IntPtr* key, Error* error);
        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_key_export(KeyHandle key, void* raw, UIntPtr capacity, UIntPtr* len, Error* error);

        [DllImport(Library, ExactSpelling = true)]
        internal static extern int kc_key_encrypt(KeyHandle key, void* plaintext, UIntPtr plaintextLen, Call* call, byte* token, UIntPtr capacity, UIntPtr* len, Error* error);

        [DllImport(Library, ExactSpelling = true)]
        internal static extern int kc_key_decrypt(KeyHandle key, byte* token, UIntPtr tokenLen, Call* call, void* plaintext, UIntPtr capacity, UIntPtr* len, Error* error);

        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_master_key_generate(byte* text, UIntPtr capacity, UIntPtr* len, Error* error);

        [DllImport(Library, ExactSpelling = true)]
        internal static extern int kc_master_key_decode(byte* text, UIntPtr textLen, void* raw, UIntPtr capacity, UIntPtr* len, Error* error);

        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_rewrap(StoreHandle store, ulong limit, ulong* done, ulong* remaining, ulong* skipped, Error* error);
        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_erase_user(StoreHandle store, byte* user, UIntPtr userLen, Error* error);
        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_restore_user(StoreHandle store, byte* user, UIntPtr userLen, Error* error);
        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_rotate_user(StoreHandle store, byte* user, UIntPtr userLen, Error* error);
        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_forget_versions(StoreHandle store, byte* user, UIntPtr userLen, Error* error);
        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_backup(StoreHandle store, byte* location, UIntPtr locationLen, Error* error);
        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_check(StoreHandle store, CheckReport* report, Error* error);

        [DllImport(Library, ExactSpelling = true)]
        internal static extern int kc_next_user(StoreHandle store, UserWalk* walk, byte* user, UIntPtr capacity, UIntPtr* len, UserInfo* info, Error* error);

        [DllImport(Library, ExactSpelling = true)] internal static extern int kc_stats(StoreHandle store, StoreStatistics* stats, Error* error);
    }
}
