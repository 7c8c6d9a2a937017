using System;
using System.Diagnostics;
using System.Linq;
using System.Security.Cryptography;
using System.Text;
using Keycask;

// keycask beside .NET's own AesGcm and Base64 for the same token, the key in hand: medians of rounds that take turns.
internal static class Bench
{
    private const string Secret51 = "sk-proj-0123456789abcdefghijklmnopqrstuvwxyzABCDEFG";
    private const int Rounds = 21, Calls = 4000;

    private sealed class Own
    {
        private readonly AesGcm cipher;

        internal Own(byte[] key) => cipher = new AesGcm(key);

        internal string Encrypt(string text)
        {
            byte[] plaintext = Encoding.UTF8.GetBytes(text), raw = new byte[28 + plaintext.Length];
            Span<byte> nonce = raw.AsSpan(0, 12);
            RandomNumberGenerator.Fill(nonce);
            cipher.Encrypt(nonce, plaintext, raw.AsSpan(12, plaintext.Length), raw.AsSpan(12 + plaintext.Length));
            return "v2:" + Convert.ToBase64String(raw).Replace('+', '-').Replace('/', '_');
        }

        internal string Decrypt(string token)
        {
            byte[] raw = Convert.FromBase64String(token.Substring(3).Replace('-', '+').Replace('_', '/'));
            var plaintext = new byte[raw.Length - 28];
            cipher.Decrypt(raw.AsSpan(0, 12), raw.AsSpan(12, plaintext.Length), raw.AsSpan(raw.Length - 16), plaintext);
            return Encoding.UTF8.GetString(plaintext);
        }
    }

    internal static int Run()
    {
        using KeycaskStore store = KeycaskStore.Open(":memory:", That.With(That.MasterKey));
        using KeycaskKey key = store.Key("alice");
        using Secret raw = key.Export();
        string token = store.Encrypt("alice", Secret51);
        var own = new Own(raw.ToArray());
        var room = new byte[64];
        string Read(Secret secret)
        {
            using (secret)
                return secret.Expose();
        }
        That.Same(Secret51, own.Decrypt(token));
        That.Same(Secret51, Read(store.Decrypt("alice", own.Encrypt(Secret51))));
        Console.WriteLine($"{"",-28} {"keycask",10} {"AesGcm",10}   times faster");
        Compare("encrypt", () => store.Encrypt("alice", Secret51), () => own.Encrypt(Secret51));
        Compare("decrypt to a string", () => Read(store.Decrypt("alice", token)), () => own.Decrypt(token));
        Compare("decrypt by TryDecrypt", () => store.TryDecrypt("alice", token, room, out _), () => own.Decrypt(token));
        Compare("encrypt, a key in hand", () => key.Encrypt(Secret51), () => own.Encrypt(Secret51));
        Compare("decrypt, a key in hand", () => Read(key.Decrypt(token)), () => own.Decrypt(token));
        return 0;
    }

    // With the line protocol of benches/bench.h: `bench keycask STORE` and `bench own`.
    internal static int Answer(string[] arguments)
    {
        const string User = "user-0@example.com";
        Func<string, string> encrypt, decrypt;
        if (arguments[1] == "keycask")
        {
            var masterKey = new byte[32];
            masterKey[0] = 1;
            KeycaskStore store = KeycaskStore.Open(arguments[2], That.With(masterKey));
            encrypt = text => store.Encrypt(User, text);
            decrypt = token =>
            {
                using (Secret secret = store.Decrypt(User, token))
                    return secret.Expose();
            };
        }
        else
        {
            var own = new Own(new byte[32]);
            (encrypt, decrypt) = (own.Encrypt, own.Decrypt);
        }
        for (string? line; (line = Console.ReadLine()) != null;)
        {
            string[] words = line.Split(' ');
            string text = new string('k', int.Parse(words[1])), given = words[0] == "encrypt" ? text : encrypt(text);
            Func<string, string>? work = words[0] switch { "encrypt" => encrypt, "decrypt" => decrypt, _ => null };
            var watch = Stopwatch.StartNew();
            for (int count = int.Parse(words[3]); count > 0; count--)
                work?.Invoke(given);
            Console.WriteLine(work == null ? "-" : $"{watch.Elapsed.TotalMilliseconds * 1e6:F0}");
        }
        return 0;
    }

    private static void Compare(string name, Action ours, Action theirs)
    {
        double Time(Action work)
        {
            var watch = Stopwatch.StartNew();
            for (int call = 0; call < Calls; call++)
                work();
            return watch.Elapsed.TotalMilliseconds * 1e6 / Calls;
        }
        for (int warming = 0; warming < 10; warming++)
            (_, _) = (Time(ours), Time(theirs));
        var times = Enumerable.Range(0, Rounds).Select(_ => (Ours: Time(ours), Theirs: Time(theirs))).ToList();
        double mine = times.Select(each => each.Ours).OrderBy(each => each).ElementAt(Rounds / 2);
        double them = times.Select(each => each.Theirs).OrderBy(each => each).ElementAt(Rounds / 2);
        Console.WriteLine($"{name,-28} {mine,7:F0} ns {them,7:F0} ns {them / mine,9:F1}");
    }
}
