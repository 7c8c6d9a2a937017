using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using System.Threading;
using Keycask;
using static That;

// What a program does every day.
internal static class StoreTests
{
    private static string Read(KeycaskStore store, string user, string token)
    {
        using Secret secret = store.Decrypt(user, token);
        return secret.Expose();
    }

    public static void A_secret_comes_back_and_its_token_tells_nothing(string folder)
    {
        using KeycaskStore store = Opened(folder);
        string token = store.Encrypt("alice", "sk-alice-1234");
        Holds(token.StartsWith("v2:") && token != store.Encrypt("alice", "sk-alice-1234"));
        Same("sk-alice-1234", Read(store, "alice", token));
        Holds(ApiKeys.IsEncrypted(token) && !ApiKeys.IsEncrypted("sk-alice-1234") && !ApiKeys.IsEncrypted(null) && !ApiKeys.IsEncrypted(""));
        Same("1.0.0", ApiKeys.Version);
    }

    public static void Bytes_of_any_length_come_back_by_every_form(string folder)
    {
        using KeycaskStore store = Opened(folder);
        using KeycaskKey key = store.Key("alice");
        foreach (int size in new[] { 0, 1, 51, 300, 511, 512, 513, 5000, 1_000_000 })
        {
            byte[] data = Enumerable.Range(0, size).Select(at => (byte)(at * 7)).ToArray();
            string token = store.Encrypt("alice", data);
            using Secret fromStore = store.Decrypt("alice", token), fromKey = key.Decrypt(key.Encrypt(data));
            Holds(fromStore.ToArray().SequenceEqual(data) && fromKey.ToArray().SequenceEqual(data));
            var room = new byte[size];
            Holds(store.TryDecrypt("alice", token, room, out int written) && written == size && room.SequenceEqual(data));
            Holds(size == 0 || !store.TryDecrypt("alice", token, new byte[size - 1], out written) && written == 0);
        }
        string text = "ключ 🔑\0" + new string('é', 4000);
        Same(text, Read(store, "ключ\0", store.Encrypt("ключ\0", text.AsSpan())));
    }

    public static void Each_failure_is_of_the_family_that_NET_expects(string folder)
    {
        using KeycaskStore store = Opened(folder);
        string path = folder + "/keys.db", token = store.Encrypt("alice", "sk");
        store.Encrypt("bob", "sk");
        Refuses<CryptographicException>(KeycaskStatus.UnknownUser, () => store.Decrypt("mallory", token));
        Refuses<CryptographicException>(KeycaskStatus.UnknownUser, () => store.Encrypt("mallory", "sk", KeycaskCall.Existing));
        Refuses<CryptographicException>(KeycaskStatus.Authentication, () => store.Decrypt("bob", token));
        Refuses<CryptographicException>(KeycaskStatus.Format, () => store.Decrypt("alice", "sk-alice"));
        Refuses<CryptographicException>(KeycaskStatus.Format, () => store.Decrypt("alice", token.Substring(3), KeycaskCall.Strict));
        Refuses<CryptographicException>(KeycaskStatus.Format, () => store.TryDecrypt("alice", "sk-alice", new byte[100], out _));
        Refuses<NotSupportedException>(KeycaskStatus.Unsupported, () => store.Decrypt("alice", "v3:AAAA"));
        Refuses<ArgumentException>(KeycaskStatus.Argument, () => store.Encrypt("", "sk"));
        Refuses<ArgumentException>(KeycaskStatus.Limit, () => store.Encrypt(new string('u', 4097), "sk"));
        Throws<ArgumentException>(() => store.Encrypt("half a pair \ud800", "sk"));
        Refuses<IOException>(KeycaskStatus.WouldBlock, () => store.Encrypt("new", "sk", KeycaskCall.CachedOnly));
        Refuses<CryptographicException>(KeycaskStatus.MasterKeyWrong, () => KeycaskStore.Open(path, With(new byte[32])));
        Refuses<CryptographicException>(KeycaskStatus.MasterKeyInvalid, () => KeycaskStore.Open(path, With(new byte[16], new byte[16])));
        Refuses<CryptographicException>(KeycaskStatus.MasterKeyMissing, () => KeycaskStore.Open(path));
        Refuses<CryptographicException>(KeycaskStatus.MasterKeyMissing, () => KeycaskStore.Open(path, With()));
        Refuses<CryptographicException>(KeycaskStatus.MasterKeyInvalid, () => ApiKeys.DecodeMasterKey("short"));
        KeycaskOptions must = With(MasterKey), reading = With(MasterKey), late = With(MasterKey);
        must.MustExist = reading.ReadOnly = true;
        Refuses<IOException>(KeycaskStatus.NotFound, () => KeycaskStore.Open(folder + "/missing.db", must));
        using (KeycaskStore reader = KeycaskStore.Open(path, reading))
            Refuses<IOException>(KeycaskStatus.ReadOnly, () => reader.Encrypt("new", "sk"));
        Refuses<IOException>(KeycaskStatus.Exists, () => store.Backup(path));
        Same(2, ((IKeycaskException)Refuses<IOException>(KeycaskStatus.IO, () => store.Backup(folder + "/no such/copy.db"))).OSError);
        late.BusyTimeout = TimeSpan.FromSeconds(-1);
        Throws<ArgumentOutOfRangeException>(() => KeycaskStore.Open(path, late));
        Refuses<ArgumentException>(KeycaskStatus.Argument, () => KeycaskKey.Import(new byte[31]));
    }

    public static void Statuses_are_those_of_the_library(string folder)
    {
        var listed = File.ReadAllLines(VectorTests.Folder + "/../../abi/status.txt").Select(line => int.Parse(line.Split(' ')[1])).Where(status => status < 0);
        Holds(listed.OrderBy(each => each).SequenceEqual(Enum.GetValues(typeof(KeycaskStatus)).Cast<int>().OrderBy(each => each)));
    }

    public static void Nothing_that_is_printed_holds_a_secret(string folder)
    {
        const string secret = "sk-alice-very-secret";
        using KeycaskStore store = Opened(folder);
        using KeycaskKey key = store.Key("alice");
        string broken = key.Encrypt(secret);
        broken = broken.Substring(0, broken.Length - 4) + "AAA=";
        using Secret held = new Secret(Encoding.UTF8.GetBytes(secret));
        string shown = $"{store} {key} {held} {System.Text.Json.JsonSerializer.Serialize(new { Key = held.ToString() })}";
        foreach (Action wrong in new Action[] { () => store.Decrypt("alice", broken), () => store.Decrypt("alice", secret), () => store.Encrypt("", secret), () => ApiKeys.DecodeMasterKey(secret), () => store.Encrypt("alice", secret + "\udc00") })
            shown += Throws<Exception>(wrong);
        Holds(!shown.Contains(secret) && !shown.Contains(broken));
        Same("[redacted]", held.ToString());
    }

    public static void A_secret_is_gone_when_it_was_disposed(string folder)
    {
        var secret = new Secret(new byte[] { 1, 2, 3 });
        Same(3, secret.ByteCount);
        Same(6, secret.Use((start, len) => System.Runtime.InteropServices.Marshal.ReadByte(start) + System.Runtime.InteropServices.Marshal.ReadByte(start, 1) + len));
        secret.Dispose();
        secret.Dispose();
        Throws<ObjectDisposedException>(() => secret.ToArray());
        Throws<ObjectDisposedException>(() => secret.Expose());
    }

    public static void What_was_disposed_says_so_and_may_be_disposed_again(string folder)
    {
        KeycaskStore store = Opened(folder);
        using KeycaskKey key = store.Key("alice");
        store.Dispose();
        store.Dispose();
        Throws<ObjectDisposedException>(() => store.Encrypt("alice", "sk"));
        Throws<ObjectDisposedException>(() => store.Check());
        Throws<ObjectDisposedException>(() => store.Users().ToList());
        Refuses<ObjectDisposedException>(KeycaskStatus.Handle, () => key.Encrypt("sk"));
        key.Dispose();
        Throws<ObjectDisposedException>(() => key.Encrypt("sk"));
        Holds(store.ToString().Contains("disposed"));
    }

    public static void Master_keys_are_given_the_current_one_first(string folder)
    {
        string path = folder + "/keys.db", token;
        using Secret text = ApiKeys.GenerateMasterKey(), old = ApiKeys.DecodeMasterKey(text.Expose()), fresh = ApiKeys.DecodeMasterKey(ApiKeys.GenerateMasterKey().Expose());
        using (KeycaskStore store = KeycaskStore.Open(path, new KeycaskOptions { MasterKeys = new[] { old } }))
            token = store.Encrypt("alice", "sk");
        using (KeycaskStore store = KeycaskStore.Open(path, new KeycaskOptions { MasterKeys = new[] { fresh, old } }))
            Same("sk", Read(store, "alice", token));
        Refuses<ArgumentException>(KeycaskStatus.Limit, () => KeycaskStore.Open(path, With(Enumerable.Repeat(MasterKey, 17).ToArray())));
    }

    public static void The_pools_key_and_imported_ones_are_keys_like_others(string folder)
    {
        using KeycaskStore store = Opened(folder);
        using KeycaskKey pool = store.PoolKey(), own = KeycaskKey.Import(new byte[32]);
        foreach (KeycaskKey key in new[] { pool, own })
        {
            using Secret back = key.Decrypt(key.Encrypt("shared"), KeycaskCall.Strict);
            Same("shared", back.Expose());
        }
        using Secret raw = own.Export();
        Holds(raw.ToArray().SequenceEqual(new byte[32]));
    }

    public static void Operations_do_what_they_say(string folder)
    {
        using KeycaskStore store = Opened(folder);
        var tokens = Enumerable.Range(0, 50).ToDictionary(number => $"user {number}", number => store.Encrypt($"user {number}", $"sk {number}"));
        Holds(store.Users().Select(user => user.Name).OrderBy(each => each).SequenceEqual(tokens.Keys.OrderBy(each => each)));
        Holds(store.Users().All(user => user.Key == null && user.MasterKey == 1 && user.Created?.Offset == TimeSpan.Zero));
        store.RotateUser("user 1");
        Holds(store.IsStale("user 1", tokens["user 1"]) && !store.IsStale("user 2", tokens["user 2"]));
        string fresh = store.Reencrypt("user 1", tokens["user 1"]);
        store.ForgetVersions("user 1");
        Same("sk 1", Read(store, "user 1", fresh));
        Refuses<CryptographicException>(KeycaskStatus.Authentication, () => store.Decrypt("user 1", tokens["user 1"]));
        store.EraseUser("user 2");
        Refuses<CryptographicException>(KeycaskStatus.UserDestroyed, () => store.Encrypt("user 2", "sk"));
        store.RestoreUser("user 2");
        Same("anew", Read(store, "user 2", store.Encrypt("user 2", "anew")));
        StoreReport report = store.Check();
        Holds(report.IsWell && report.Users == 50 && report.Good == 50 && report.Keys[0] == 51 && report.States[0] == MasterKeyState.Active);
        store.Backup(folder + "/copy.db");
        using (KeycaskStore copy = KeycaskStore.Open(folder + "/copy.db", With(new byte[32], MasterKey)))
        {
            using var cancelled = new CancellationTokenSource();
            cancelled.Cancel();
            Throws<OperationCanceledException>(() => copy.Rewrap(null, cancelled.Token));
            Same(20ul, copy.RewrapStep(20).Done);
            var told = new Told();
            Same(31ul, copy.Rewrap(told).Done);
            Holds(told.All.Count > 0 && told.All.Last().Remaining == 0);
            Same("sk 3", Read(copy, "user 3", tokens["user 3"]));
        }
        Refuses<CryptographicException>(KeycaskStatus.MasterKeyWrong, () => KeycaskStore.Open(folder + "/copy.db", With(MasterKey)));
        Holds(store.Stats().Hits > 0 && store.Stats().Commits > 0);
    }

    private sealed class Told : IProgress<RewrapProgress>
    {
        internal readonly List<RewrapProgress> All = new List<RewrapProgress>();

        public void Report(RewrapProgress progress) => All.Add(progress);
    }
}
