// The smallest C# program that uses keycask. With a LOCATION it is a peer of tests/interop/peers.py: the master key is in
// API_KEY_MASTER_KEY, and each line on standard input is a call.

using System;
using System.Linq;
using Keycask;

internal static class Program
{
    private static string Answer(KeycaskStore store, string verb, string user, string text)
    {
        try
        {
            if (verb == "encrypt")
                return store.Encrypt(user, Enumerable.Range(0, text.Length / 2).Select(at => Convert.ToByte(text.Substring(2 * at, 2), 16)).ToArray());
            using Secret secret = store.Decrypt(user, text);
            return string.Concat(secret.ToArray().Select(each => each.ToString("x2")));
        }
        catch (Exception failure) when (failure is IKeycaskException)
        {
            return "! " + failure.Message;
        }
    }

    private static void Main(string[] arguments)
    {
        if (arguments.Length == 0)
        {
            using Secret text = ApiKeys.GenerateMasterKey(), masterKey = ApiKeys.DecodeMasterKey(text.Expose());
            using KeycaskStore memory = KeycaskStore.Open(":memory:", new KeycaskOptions { MasterKeys = new[] { masterKey } });
            using Secret secret = memory.Decrypt("alice", memory.Encrypt("alice", "sk-alice-1234"));
            if (secret.Expose() != "sk-alice-1234")
                Environment.Exit(1);
            return;
        }
        using KeycaskStore store = KeycaskStore.Open(arguments[0]);
        for (string line; (line = Console.ReadLine()) != null;)
        {
            string[] call = line.Split('\t');
            Console.WriteLine(Answer(store, call[0], call[1], call[2]));
        }
    }
}
