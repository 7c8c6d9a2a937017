using System;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Keycask;
using static That;

// Threads, tasks, the collector.
internal static class RunningTests
{
    public static void Threads_share_a_store_which_another_disposes(string folder)
    {
        KeycaskStore store = Opened(folder);
        var wrong = new ConcurrentQueue<string>();
        var begun = new CountdownEvent(8);
        var threads = Enumerable.Range(0, 8).Select(number => new Thread(() =>
        {
            string user = $"user {number % 3}", secret = new string('s', number);
            try
            {
                for (bool told = false; ; told = true)
                {
                    using (Secret back = store.Decrypt(user, store.Encrypt(user, secret)))
                        if (back.Expose() != secret)
                            wrong.Enqueue(user);
                    if (!told)
                        begun.Signal();
                }
            }
            catch (ObjectDisposedException)
            {
            }
            catch (Exception failure)
            {
                wrong.Enqueue(failure.ToString());
            }
        })).ToList();
        threads.ForEach(thread => thread.Start());
        begun.Wait();
        store.Dispose();
        threads.ForEach(thread => thread.Join());
        Holds(wrong.IsEmpty, string.Join("\n", wrong));
    }

    public static void What_is_forgotten_is_freed_also_under_load(string folder)
    {
        long before = ApiKeys.HandleCount;
        Parallel.For(0, 2000, number =>
        {
            KeycaskStore store = KeycaskStore.Open(":memory:", With(MasterKey));
            store.Key("alice").Encrypt("sk");
            if (number % 100 == 0)
                GC.Collect();
        });
        for (int tries = 0; tries < 20 && ApiKeys.HandleCount != before; tries++)
            Program.Collect();
        Same(before, ApiKeys.HandleCount);
    }

    public static void The_collector_may_come_in_the_middle_of_a_call(string folder)
    {
        // So many collections and no more: a collector that never rests leaves a thread on a small machine no time to call.
        Task collecting = Task.Run(() =>
        {
            for (int number = 0; number < 2000; number++)
                GC.Collect(0);
        });
        do
        {
            // The store is last used in the call: the handle alone keeps it.
            string token = KeycaskStore.Open(":memory:", With(MasterKey)).Encrypt("alice", "sk");
            Holds(token.StartsWith("v2:"));
        }
        while (!collecting.IsCompleted);
    }

    public static void A_million_calls_take_no_more_memory(string folder)
    {
        using KeycaskStore store = Opened(folder);
        string token = store.Encrypt("alice", "sk-alice-1234");
        long Resident()
        {
            for (int number = 0; number < 50_000; number++)
            {
                store.Decrypt("alice", token).Dispose();
                store.Encrypt("alice", "sk-alice-1234");
            }
            Program.Collect();
            using Process self = Process.GetCurrentProcess();
            return self.WorkingSet64;
        }
        var found = Enumerable.Range(0, 12).Select(_ => Resident()).ToList();
        // Before that the collector's own heap finds its size.
        Holds(found.Last() - found[5] < 8 << 20, $"{found.Last() - found[5]} bytes more");
    }

    public static void A_call_allocates_nothing_but_its_result(string folder)
    {
        using KeycaskStore store = Opened(folder);
        string token = store.Encrypt("alice", "sk-alice-1234");
        var room = new byte[64];
        store.TryDecrypt("alice", token, room, out _);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int number = 0; number < 100; number++)
            store.TryDecrypt("alice", token, room, out _);
        Same(0L, GC.GetAllocatedBytesForCurrentThread() - before);
        long result = 22 + 2 * token.Length + 7 & ~7;
        before = GC.GetAllocatedBytesForCurrentThread();
        for (int number = 0; number < 100; number++)
            store.Encrypt("alice", "sk-alice-1234");
        Holds(GC.GetAllocatedBytesForCurrentThread() - before <= 100 * (result + 8));
    }

    // Handles apart, which the runtime keeps alive, every parameter is passed as it lies in memory.
    public static void Every_signature_is_blittable(string folder)
    {
        Type native = typeof(KeycaskStore).Assembly.GetType("Keycask.Native", true)!;
        int seen = 0;
        foreach (MethodInfo method in native.GetMethods(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public))
        {
            if (method.GetCustomAttribute<DllImportAttribute>() == null)
                continue;
            seen++;
            foreach (Type type in method.GetParameters().Select(parameter => parameter.ParameterType).Append(method.ReturnType))
                Holds(type == typeof(void) || type.IsPointer || type == typeof(int) || type == typeof(uint) || type == typeof(ulong) || type == typeof(IntPtr)
                    || type == typeof(UIntPtr) || type.IsSubclassOf(typeof(SafeHandle)), $"{method.Name}: {type}");
        }
        int listed = File.ReadAllLines(VectorTests.Folder + "/../../abi/symbols.txt").Count(line => line != "kc_status_text" && line != "kc_wipe" && line.Length > 0);
        Holds(seen >= listed, $"{seen} functions, of {listed}");
    }

    // Another program, which holds the store's lock until it is told to end.
    private sealed class Locker : IDisposable
    {
        private readonly Process process;

        internal Locker(string path)
        {
            const string program = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], isolation_level=None)\nprint('ready', flush=True)\nsys.stdin.readline()\nc.execute('BEGIN EXCLUSIVE')\nprint('locked', flush=True)\nsys.stdin.read()\nc.execute('ROLLBACK')";
            process = Process.Start(new ProcessStartInfo("python3") { ArgumentList = { "-c", program, path }, RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false })!;
            Same("ready", process.StandardOutput.ReadLine());
        }

        internal void Lock()
        {
            process.StandardInput.WriteLine();
            Same("locked", process.StandardOutput.ReadLine());
        }

        public void Dispose()
        {
            process.StandardInput.Close();
            process.WaitForExit();
            process.Dispose();
        }
    }

    public static void Asynchronous_calls_go_at_once_where_the_key_is_cached_and_wait_elsewhere(string folder)
    {
        async Task Run()
        {
            KeycaskOptions patient = With(MasterKey);
            patient.BusyTimeout = TimeSpan.FromMinutes(10);
            using KeycaskStore store = await KeycaskStore.OpenAsync(folder + "/keys.db", patient);
            string token = await store.EncryptAsync("alice", "sk");
            // A key that was not looked after for a second is no longer one that needs no disk: on a machine that stood still, again.
            bool atOnce = false;
            for (int round = 0; round < 20 && !atOnce; round++)
            {
                Task<string>[] waiting;
                using (var locker = new Locker(folder + "/keys.db"))
                {
                    (await store.DecryptAsync("alice", token)).Dispose();
                    locker.Lock();
                    waiting = Enumerable.Range(0, 4).Select(number => store.EncryptAsync($"user {round} {number}", "sk").AsTask()).ToArray();
                    while (store.Stats().BusyWaits == 0)
                        await Task.Yield();
                    ValueTask<Secret> cached = store.DecryptAsync("alice", token);
                    atOnce = cached.IsCompletedSuccessfully;
                    (await cached).Dispose();
                    Holds(waiting.All(task => !task.IsCompleted));
                }
                string[] made = await Task.WhenAll(waiting);
                for (int number = 0; number < made.Length; number++)
                    using (Secret secret = await store.DecryptAsync($"user {round} {number}", made[number]))
                        Same("sk", secret.Expose());
            }
            Holds(atOnce, "a cached call has waited");
            Refuses<KeycaskCryptographicException>(KeycaskStatus.UnknownUser, () => store.DecryptAsync("nobody", token).AsTask().GetAwaiter().GetResult());
            ValueTask<string> refused = store.EncryptAsync("new", "sk", KeycaskCall.CachedOnly);
            Holds(refused.IsFaulted, "what fails is told by the task");
            Refuses<KeycaskIOException>(KeycaskStatus.WouldBlock, () => refused.AsTask().GetAwaiter().GetResult());
            Holds(store.EncryptAsync("alice", "sk", KeycaskCall.None, new CancellationToken(true)).IsCanceled);
        }
        Run().GetAwaiter().GetResult();
    }

    public static void Thousands_of_tasks_at_once(string folder)
    {
        async Task Run()
        {
            using KeycaskStore store = Opened(folder);
            async Task<bool> One(int number)
            {
                string user = $"user {number % 50}", secret = $"sk {number}";
                using Secret back = await store.DecryptAsync(user, await store.EncryptAsync(user, secret));
                return back.Expose() == secret;
            }
            Holds((await Task.WhenAll(Enumerable.Range(0, 5000).Select(One))).All(fine => fine));
        }
        Run().GetAwaiter().GetResult();
    }
}
