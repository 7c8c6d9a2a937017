using System;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.Json;
using Keycask;
using static That;

// tests/vectors, through the binding's API.
internal static class VectorTests
{
    internal static readonly string Folder = Environment.GetEnvironmentVariable("KEYCASK_VECTORS") ?? "tests/vectors";

    private static JsonElement Vectors(string name) => JsonDocument.Parse(File.ReadAllText(Folder + "/" + name)).RootElement;

    private static string Of(JsonElement each, string name) => each.GetProperty(name).GetString() ?? "";

    private static byte[] Bytes(string hex) => Enumerable.Range(0, hex.Length / 2).Select(at => Convert.ToByte(hex.Substring(2 * at, 2), 16)).ToArray();

    private static string Hex(Secret secret)
    {
        using (secret)
            return string.Concat(secret.ToArray().Select(each => each.ToString("x2")));
    }

    private static KeycaskStatus StatusOf(string name) =>
        (KeycaskStatus)int.Parse(File.ReadAllLines(Folder + "/../../abi/status.txt").First(line => line.StartsWith(name + " ")).Split(' ')[1]);

    private static void Same(JsonElement answer, string name, Func<Secret> call)
    {
        if (answer.TryGetProperty("ok_hex", out JsonElement hex))
            That.Same(hex.GetString(), Hex(call()));
        else
            Refused(name, Of(answer, "status"), () => call());
    }

    private static void Refused(string sentence, string status, Action call)
    {
        try
        {
            call();
        }
        catch (Exception failure) when (failure is IKeycaskException found)
        {
            Holds(found.Status == StatusOf(status), $"{sentence}: {found.Status}, and not {status}");
            return;
        }
        throw new Exception($"{sentence}: nothing was thrown");
    }

    public static void The_modules_tokens_pool_keys_and_hashes_are_its_own(string folder)
    {
        JsonElement all = Vectors("vectors.json");
        foreach (JsonElement each in all.GetProperty("tokens").EnumerateArray())
        {
            using KeycaskKey key = KeycaskKey.Import(Bytes(Of(each, "key")));
            using Secret secret = key.Decrypt(Of(each, "token"), KeycaskCall.Strict);
            That.Same(Of(each, "plaintext"), secret.Expose());
        }
        foreach (JsonElement each in all.GetProperty("pool").EnumerateArray())
        {
            using KeycaskStore store = KeycaskStore.Open(":memory:", With(Bytes(Of(each, "master_key"))));
            using KeycaskKey pool = store.PoolKey();
            That.Same(Of(each, "pool_key"), Hex(pool.Export()));
        }
        foreach (JsonElement each in all.GetProperty("hashes").EnumerateArray())
            That.Same(Of(each, "hex"), ApiKeys.Hash(Of(each, "api_key")));
        var differs = Vectors("keycask.json").GetProperty("differences").EnumerateArray().Where(each => Of(each, "section") == "is_encrypted").Select(each => Of(each, "case")).ToList();
        foreach (JsonElement each in all.GetProperty("is_encrypted").EnumerateArray())
            That.Same(each.GetProperty("encrypted").GetBoolean() != differs.Contains(Of(each, "value")), ApiKeys.IsEncrypted(Of(each, "value")));
    }

    public static void Every_text_is_read_as_the_library_reads_it(string folder)
    {
        JsonElement all = Vectors("keycask.json");
        foreach (JsonElement each in all.GetProperty("decode").EnumerateArray())
        {
            using KeycaskKey key = KeycaskKey.Import(Bytes(Of(each, "key")));
            Same(each.GetProperty("keycask"), Of(each, "name"), () => key.Decrypt(Of(each, "token")));
            Same(each.GetProperty("strict"), Of(each, "name"), () => key.Decrypt(Of(each, "token"), KeycaskCall.Strict));
        }
        int read = 0;
        foreach (JsonElement each in all.GetProperty("master_key_env").EnumerateArray())
        {
            JsonElement answer = each.GetProperty("keycask");
            bool blank = answer.TryGetProperty("status", out JsonElement status) && status.GetString() == "KC_E_MASTER_KEY_MISSING";
            if (blank)
                Refused("blank", "KC_E_MASTER_KEY_INVALID", () => ApiKeys.DecodeMasterKey(Of(each, "value")));
            else
                Same(answer, Of(each, "name"), () => ApiKeys.DecodeMasterKey(Of(each, "value")));
            read++;
        }
        Holds(read > 50);
    }

    public static void The_modules_store_opens(string folder)
    {
        JsonElement given = Vectors("vectors.json").GetProperty("reference_db");
        File.Copy(Folder + "/" + Of(given, "file"), folder + "/keys.db");
        Refuses<KeycaskCryptographicException>(KeycaskStatus.MasterKeyWrong, () => KeycaskStore.Open(folder + "/keys.db", With(Bytes(Of(given, "wrong_master_key")))));
        using KeycaskStore store = KeycaskStore.Open(folder + "/keys.db", With(Bytes(Of(given, "master_key"))));
        foreach (JsonElement user in given.GetProperty("users").EnumerateArray())
        {
            using Secret secret = store.Decrypt(Of(user, "user_id"), Of(user, "token"));
            That.Same(Of(user, "plaintext"), secret.Expose());
        }
    }

    private static KeycaskCall Flags(JsonElement given)
    {
        KeycaskCall all = KeycaskCall.None;
        if (given.TryGetProperty("flags", out JsonElement flags))
            foreach (JsonElement flag in flags.EnumerateArray())
                all |= flag.GetString() == "KC_STRICT" ? KeycaskCall.Strict : flag.GetString() == "KC_EXISTING" ? KeycaskCall.Existing : KeycaskCall.CachedOnly;
        return all;
    }

    public static void What_differs_in_one_thing_is_refused_for_that(string folder)
    {
        JsonElement all = Vectors("failures.json"), good = all.GetProperty("good");
        KeycaskOptions with = With(Bytes(Of(good, "master_key")));
        string user = Of(good, "user");
        int ran = 0;
        foreach (JsonElement each in all.GetProperty("tokens").EnumerateArray())
        {
            using KeycaskKey key = KeycaskKey.Import(Bytes(Of(each, "key")));
            Refused(Of(each, "sentence"), Of(each, "status"), () => key.Decrypt(Of(each, "token"), Flags(each)));
            ran++;
        }
        foreach (JsonElement each in all.GetProperty("master_keys").EnumerateArray())
        {
            Refused(Of(each, "sentence"), Of(each, "status"), () => ApiKeys.DecodeMasterKey(Of(each, "text")));
            ran++;
        }
        byte[] whole = File.ReadAllBytes(Folder + "/" + Of(good, "store"));
        foreach (JsonElement each in all.GetProperty("stores").EnumerateArray())
        {
            byte[] altered = whole;
            Array.Resize(ref altered, each.GetProperty("length").GetInt32());
            altered = altered.ToArray();
            foreach (JsonElement patch in each.GetProperty("patches").EnumerateArray())
                Bytes(Of(patch, "bytes")).CopyTo(altered, patch.GetProperty("at").GetInt32());
            File.WriteAllBytes(folder + "/keys.db", altered);
            Refused(Of(each, "sentence"), Of(each, "status"), () =>
            {
                using KeycaskStore store = KeycaskStore.Open(folder + "/keys.db", with);
                if (Of(each, "call") == "encrypt")
                    store.Encrypt(user, "sk");
                else if (Of(each, "call") == "decrypt")
                    store.Decrypt(user, Of(good, "token")).Dispose();
            });
            ran++;
        }
        using (KeycaskStore store = KeycaskStore.Open(":memory:", with))
        {
            string token = store.Encrypt(user, "sk-acme");
            foreach (JsonElement each in all.GetProperty("calls").EnumerateArray())
            {
                JsonElement given = each.GetProperty("given");
                string Given(string name, string otherwise) => given.TryGetProperty(name, out JsonElement found) ? found.GetString() ?? "" : otherwise;
                byte[] name = Bytes(Given("user_hex", string.Concat(Encoding.UTF8.GetBytes(user).Select(b => b.ToString("x2")))));
                byte[] keys = Bytes(Given("master_keys_hex", Of(good, "master_key")));
                KeycaskOptions ring = keys.Length == 0 ? With() : keys.Length % 32 != 0 ? With(keys) :
                    With(Enumerable.Range(0, keys.Length / 32).Select(at => keys.AsSpan(32 * at, 32).ToArray()).ToArray());
                ran++;
                string who;
                try
                {
                    who = new UTF8Encoding(false, true).GetString(name);
                }
                catch (DecoderFallbackException)
                {
                    // No string of .NET's has this name; the nearest holds half a surrogate pair.
                    Throws<ArgumentException>(() => store.Encrypt("\udc00", "sk"));
                    continue;
                }
                Refused(Of(each, "sentence"), Of(each, "status"), () =>
                {
                    switch (Of(each, "call"))
                    {
                        case "encrypt": store.Encrypt(who, "sk-acme", Flags(given)); break;
                        case "decrypt": store.Decrypt(who, Given("token", token), Flags(given)).Dispose(); break;
                        case "user_key": store.Key(who, Flags(given)).Dispose(); break;
                        case "key_import": KeycaskKey.Import(Bytes(Given("raw_hex", ""))).Dispose(); break;
                        case "open": KeycaskStore.Open(Given("location", ":memory:"), ring).Dispose(); break;
                        default: throw new Exception("no such call");
                    }
                });
            }
        }
        That.Same(192, ran);
    }
}
