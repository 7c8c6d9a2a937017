using System;
using System.Collections.Generic;
using Keycask;
using static That;

// The patterns of the README, against stand-ins for the packages that they are for.
internal static class PatternTests
{
    // Microsoft.Extensions.DependencyInjection.
    private sealed class Services
    {
        private readonly Dictionary<Type, Lazy<object>> made = new Dictionary<Type, Lazy<object>>();

        internal Services AddSingleton<T>(Func<Services, T> make) where T : class
        {
            made[typeof(T)] = new Lazy<object>(() => make(this));
            return this;
        }

        internal T GetRequiredService<T>() where T : class => (T)made[typeof(T)].Value;
    }

    // Microsoft.EntityFrameworkCore.Storage.ValueConversion.
    private class ValueConverter<TModel, TProvider>
    {
        internal readonly Func<TModel, TProvider> ToProvider;
        internal readonly Func<TProvider, TModel> FromProvider;

        internal ValueConverter(Func<TModel, TProvider> to, Func<TProvider, TModel> from) => (ToProvider, FromProvider) = (to, from);
    }

    private sealed class TokenConverter : ValueConverter<string, string>
    {
        internal TokenConverter(KeycaskKey key)
            : base(secret => key.Encrypt(secret), value => ApiKeys.IsEncrypted(value) ? key.Decrypt(value).Expose() : value)
        {
        }
    }

    public static void A_store_is_a_singleton_and_a_column_is_converted(string folder)
    {
        var services = new Services().AddSingleton(provider => Opened(folder));
        using KeycaskStore store = services.GetRequiredService<KeycaskStore>();
        Holds(ReferenceEquals(store, services.GetRequiredService<KeycaskStore>()));
        using KeycaskKey pool = store.PoolKey();
        var converter = new TokenConverter(pool);
        string column = converter.ToProvider("sk-webhook");
        Holds(ApiKeys.IsEncrypted(column));
        Same("sk-webhook", converter.FromProvider(column));
        Same("from before tokens", converter.FromProvider("from before tokens"));
    }
}
