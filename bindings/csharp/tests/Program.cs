using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Reflection;
using Keycask;

// The tests of the binding, a sentence each, without a test framework; and `bench`.
internal static class Program
{
    private static int Main(string[] arguments)
    {
        if (arguments.FirstOrDefault() == "bench")
            return arguments.Length == 1 ? Bench.Run() : Bench.Answer(arguments);
        foreach (string name in new[] { "", "_FILE", "_PREVIOUS", "_PREVIOUS_FILE" })
            Environment.SetEnvironmentVariable("API_KEY_MASTER_KEY" + name, null);
        int passed = 0, failed = 0;
        foreach (Type type in new[] { typeof(StoreTests), typeof(VectorTests), typeof(RunningTests), typeof(PatternTests) })
            foreach (MethodInfo test in type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.DeclaredOnly))
            {
                string sentence = test.Name.Replace('_', ' ');
                try
                {
                    using (var folder = new Folder())
                    {
                        Collect();
                        long before = ApiKeys.HandleCount;
                        test.Invoke(null, new object[] { folder.Path });
                        for (int tries = 0; tries < 10 && ApiKeys.HandleCount != before; tries++)
                            Collect();
                        That.Same(before, ApiKeys.HandleCount);
                    }
                    passed++;
                    Console.WriteLine("  ok      " + sentence);
                }
                catch (Exception failure)
                {
                    failed++;
                    Console.WriteLine("  FAILED  " + sentence);
                    Console.WriteLine("          " + (failure.InnerException ?? failure).ToString().Replace("\n", "\n          "));
                }
            }
        Console.WriteLine($"{passed} passed, {failed} failed");
        return failed == 0 ? 0 : 1;
    }

    internal static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
    }
}

// A folder of a test's own.
internal sealed class Folder : IDisposable
{
    internal readonly string Path = System.IO.Path.Combine(System.IO.Path.GetTempPath(), "keycask-" + Guid.NewGuid().ToString("N"));

    internal Folder() => Directory.CreateDirectory(Path);

    public void Dispose() => Directory.Delete(Path, true);
}

internal static class That
{
    internal static void Holds(bool condition, string what = "it does not hold")
    {
        if (!condition)
            throw new Exception(what);
    }

    internal static void Same<T>(T expected, T found) => Holds(EqualityComparer<T>.Default.Equals(expected, found), $"expected {expected}, found {found}");

    internal static Exception Throws<T>(Action call) where T : Exception
    {
        try
        {
            call();
        }
        catch (T caught)
        {
            return caught;
        }
        throw new Exception($"no {typeof(T).Name} came");
    }

    // A keycask exception of a kind that .NET knows, with this status.
    internal static Exception Refuses<T>(KeycaskStatus status, Action call) where T : Exception
    {
        Exception caught = Throws<T>(call);
        Same(status, ((IKeycaskException)caught).Status);
        return caught;
    }

    internal static readonly byte[] MasterKey = Enumerable.Range(0, 32).Select(each => (byte)each).ToArray();

    internal static KeycaskOptions With(params byte[][] keys) => new KeycaskOptions { MasterKeys = keys.Select(key => new Secret(key)).ToList() };

    internal static KeycaskStore Opened(string folder) => KeycaskStore.Open(folder + "/keys.db", With(MasterKey));
}
