"""Sets keycask beside what its users would pick instead, and says whether docs/performance.md's targets hold.

    run.py [--quick]      run by scripts/bench.sh, which builds the programs

All programs are ready at once and take turns in rounds of a few milliseconds, so that what the machine does meanwhile meets
all of them. A figure is the median over the rounds, a ratio the median of the rounds' ratios, its noise 1.57 times the distance
between their quartiles over the root of their number (the notch of a box plot; McGill, Tukey, Larsen 1978). Without --quick docs/performance.md and its pictures are written.
"""

import argparse
import base64
import os
import pathlib
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAMS = ROOT / "target" / "bench"
LIBRARY = ROOT / "target" / "release" / "libkeycask.so"
# How scripts/bench.sh runs the program of .NET; nothing where there is none.
DOTNET = os.environ.get("BENCH_DOTNET", "").split()
MASTER_KEY = bytes([1]) + bytes(31)
SIZES = [16, 51, 200, 1 << 10, 16 << 10, 1 << 20]
ROUND_MS = 8


class Program:
    """A program that speaks the line protocol of bench.h."""

    def __init__(self, command, environment=None):
        self.process = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
        )

    def time(self, work, size, threads, count):
        """Nanoseconds a work, of each thread; None where there is no such work."""
        self.process.stdin.write(f"{work} {size} {threads} {count}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        if not answer:
            sys.exit(f"{self.process.args} ended with {self.process.wait()}")
        return None if answer == "-" else int(answer) / count

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class Figures:
    """Nanoseconds of each contender in each round."""

    def __init__(self, rounds):
        self.rounds = rounds

    def __contains__(self, name):
        return name in self.rounds

    def median(self, name):
        return statistics.median(self.rounds[name])

    def ratio(self, name, to):
        """How many times as long `name` takes as `to`, and the noise of that."""
        return with_noise([a / b for a, b in zip(self.rounds[name], self.rounds[to])])


def with_noise(values):
    quartiles = statistics.quantiles(values, n=4)
    return statistics.median(values), 1.57 * (quartiles[2] - quartiles[0]) / len(values) ** 0.5


def pace(program, work, size, threads):
    """How many works a program does in a round; None where it has no such work."""
    count = 1
    while True:
        program.time(work, size, threads, count)  # what is done for the first time takes longer
        one = program.time(work, size, threads, count)
        if one is None:
            return None
        if one * count >= ROUND_MS * 2e5 or count >= 1 << 20:
            return max(1, int(ROUND_MS * 1e6 / one))
        count *= 4


def turns(contenders, rounds, size=51):
    """Has the contenders, name to (program, work) or (program, work, threads), take turns."""
    contenders = {name: (*each, 1)[:3] for name, each in contenders.items()}
    counts = {name: pace(program, work, size, threads) for name, (program, work, threads) in contenders.items()}
    times = {name: [] for name, count in counts.items() if count}
    for _ in range(rounds):
        for name in times:
            program, work, threads = contenders[name]
            times[name].append(program.time(work, size, threads, counts[name]))
    return Figures(times)


class Verdicts:
    """The targets, and whether they hold."""

    def __init__(self):
        self.rows = []

    def at_most(self, what, figure, limit, unit="", noise=0.0):
        self.add(what, figure, f"≤ {limit:g}{unit}", unit, figure <= limit + noise, noise)

    def at_least(self, what, figure, limit, unit="", noise=0.0):
        self.add(what, figure, f"≥ {limit:g}{unit}", unit, figure >= limit - noise, noise)

    def add(self, what, figure, target, unit, holds, noise):
        shown = f"{figure:.2f}{unit}" + (f" ± {noise:.2f}" if noise else "")
        self.rows.append((what, target, shown, holds))
        print(f"  {'holds ' if holds else 'MISSED'}  {what:<62} {target:>10}   {shown}", flush=True)

    @property
    def missed(self):
        return [row[0] for row in self.rows if not row[3]]


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows])


def shown(ns):
    for limit, unit, digits in ((1e3, "ns", 0), (1e6, "µs", 2), (1e9, "ms", 2)):
        if ns < limit:
            return f"{ns / (limit / 1e3):.{digits}f} {unit}"
    return f"{ns / 1e9:.2f} s"


def make_store(path, users):
    """A store as the module makes it, straight into the table: the same wrapped key for everybody."""
    nonce, created = bytes(12), "2026-01-01T00:00:00.000000+00:00"
    wrapped = nonce + AESGCM(MASTER_KEY).encrypt(nonce, bytes(range(32)), None)
    connection = sqlite3.connect(path)
    connection.executescript(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -400000;"
        "CREATE TABLE encryption_keys (user_id TEXT PRIMARY KEY, encrypted_key BLOB NOT NULL, created_at TEXT NOT NULL);"
    )
    # In the order of the index, which so is made fast.
    names = sorted(f"user-{number}" for number in range(1, users + 1))
    connection.executemany("INSERT INTO encryption_keys VALUES (?, ?, ?)", ((name, wrapped, created) for name in names))
    connection.commit()
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    os.sync()  # so that the kernel is not busy with it later


def lines_of(command, environment=None):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True, text=True, env={**os.environ, **(environment or {})}).stdout.splitlines()


def contenders(folder):
    """The programs, and what each is."""
    store = folder / "bench.db"
    programs = {
        "keycask": (Program([PROGRAMS / "keycask", store]), "through its C ABI"),
        "bare primitives": (Program([PROGRAMS / "peers", "bare"]), "aes-gcm, nonces from the same source, base64-simd, in a loop"),
        "libsodium": (Program([PROGRAMS / "libsodium"]), "crypto_aead_aes256gcm, key expanded, its base64 and randombytes"),
        "OpenSSL": (Program([PROGRAMS / "openssl", "reused"]), "EVP, the context reused, its base64 and RAND_bytes"),
        "OpenSSL, fresh": (Program([PROGRAMS / "openssl", "fresh"]), "EVP, a context a token"),
        "aws-lc-rs": (Program([PROGRAMS / "peers", "aws-lc-rs"]), "LessSafeKey, its random source, the base64 crate"),
        "ring": (Program([PROGRAMS / "peers", "ring"]), "LessSafeKey, SystemRandom, the base64 crate"),
        "Go, keycask": (Program([PROGRAMS / "go", "keycask", store]), "bindings/go, appending"),
        "Go's own": (Program([PROGRAMS / "go", "own"]), "crypto/aes, crypto/cipher, encoding/base64, appending"),
    }
    dotnet, ruby, python = DOTNET, ["ruby", ROOT / "benches" / "ruby.rb"], [sys.executable, ROOT / "benches" / "python.py"]
    if dotnet:
        programs[".NET, keycask"] = (Program([*dotnet, "keycask", store]), "bindings/csharp")
        programs[".NET's own"] = (Program([*dotnet, "own"]), "AesGcm, Convert, key in hand")
    programs["Ruby, keycask"] = (Program([*ruby, "keycask", store]), "bindings/ruby")
    programs["Ruby's own"] = (Program([*ruby, "own"]), "openssl, base64, key in hand")
    programs["Python, keycask"] = (Program([*python, "keycask", store]), "bindings/python")
    programs["Python's own"] = (Program([*python, "own", folder / "module.db"]), "`cryptography`, key in hand")
    return programs


def tokens(programs, rounds, verdicts):
    """The same token of 51 bytes, made, opened and refused by everybody."""
    made, opened, refused = (
        turns({name: (program, work) for name, (program, _) in programs.items()}, rounds) for work in ("encrypt", "decrypt", "refuse")
    )
    for verb, figures in (("made", made), ("opened", opened)):
        ratio, noise = figures.ratio("keycask", "bare primitives")
        verdicts.at_most(f"a token {verb}, times the bare primitives", ratio, 1.3, noise=noise)
    for peer, least in (("libsodium", 3), ("OpenSSL", 4), ("aws-lc-rs", 1.3)):
        ratio, noise = made.ratio(peer, "keycask")
        verdicts.at_least(f"a token made, faster than {peer}", ratio, least, noise=noise)
    for language, least in (("Go", 1.2), (".NET", 1.2), ("Ruby", 3), ("Python", 2)):
        for verb, figures in (("made", made), ("opened", opened)):
            if f"{language}, keycask" in figures:
                ratio, noise = figures.ratio(f"{language}'s own", f"{language}, keycask")
                verdicts.at_least(f"a token {verb} in {language}, faster than {language}'s own", ratio, least, noise=noise)
    rows = []
    for name, (_, what) in programs.items():
        row = [name, what]
        for figures in (made, opened, refused):
            row += [shown(figures.median(name)), f"{figures.ratio(name, 'keycask')[0]:.2f}"] if name in figures else ["", ""]
        rows.append(row)
    return table(["", "what it is", "made", "× keycask", "opened", "× keycask", "refused", "× keycask"], rows), (made, opened)


def sizes(programs, rounds):
    names = ["keycask", "bare primitives", "libsodium", "OpenSSL", "aws-lc-rs", "ring"]
    measured = {}
    for work in ("encrypt", "decrypt"):
        for size in SIZES:
            measured[work, size] = turns({name: (programs[name][0], work) for name in names}, rounds, size)
    rows = [
        [f"{'made' if work == 'encrypt' else 'opened'}, {size:,} B"] + [shown(figures.median(name)) for name in names]
        for (work, size), figures in measured.items()
    ]
    return table(["", *names], rows), measured


def ways(programs, rounds, verdicts):
    """By user, by key, uncached, first use; beside the module's path."""
    ours, module = programs["keycask"][0], programs["Python's own"][0]
    works = ["encrypt", "decrypt", "key-encrypt", "key-decrypt", "refuse"]
    quick = turns({work: (ours, work) for work in works}, rounds)
    slow = turns({"uncached": (ours, "uncached"), "module uncached": (module, "uncached")}, rounds)
    first = turns({"first use": (ours, "first-use"), "module first use": (module, "first-use")}, max(5, rounds // 3))
    verdicts.at_most("an uncached user, in microseconds", slow.median("uncached") / 1e3, 10, " µs")
    ratio, noise = slow.ratio("module uncached", "uncached")
    verdicts.at_least("an uncached user, faster than the Python module", ratio, 15, noise=noise)
    ratio, noise = first.ratio("first use", "module first use")
    verdicts.at_most("a user's first use, times the Python module", ratio, 1.3, noise=noise)
    names = {
        "encrypt": "made, by user", "decrypt": "opened, by user", "key-encrypt": "made, by key handle",
        "key-decrypt": "opened, by key handle", "refuse": "refused (the store is asked whether it has changed)",
    }
    rows = [[names[work], shown(quick.median(work)), ""] for work in works]
    rows.append(["opened, the user uncached", shown(slow.median("uncached")), shown(slow.median("module uncached"))])
    rows.append(["made for a new user, durable", shown(first.median("first use")), shown(first.median("module first use"))])
    return table(["51 bytes", "keycask", "the Python module's path"], rows)


def threads(programs, rounds, verdicts):
    ours, bare = programs["keycask"][0], programs["bare primitives"][0]
    contenders = {"a user each": (ours, "encrypt"), "one user": (ours, "encrypt-one"), "bare primitives": (bare, "encrypt")}
    measured = turns({(name, count): (*each, count) for name, each in contenders.items() for count in (1, 2, 4)}, rounds).rounds
    def speedups(name, count):
        return [count * one / many for one, many in zip(measured[name, 1], measured[name, count])]
    for name in ("a user each", "one user"):
        ratio, noise = with_noise([a / b for a, b in zip(speedups(name, 2), speedups("bare primitives", 2))])
        verdicts.at_least(f"two threads, {name}: speedup, times that of the bare primitives", ratio, 0.9, noise=noise)
    return table(
        ["tokens made, speedup over one thread", *(f"{count} threads" for count in (1, 2, 4))],
        [[name, *(f"{statistics.median(speedups(name, count)):.2f}" for count in (1, 2, 4))] for name in contenders],
    )


def tails(path, users, calls, verdicts):
    whole, marks = {}, {0.5: [], 0.99: [], 0.999: [], 0.9999: []}
    for _ in range(5):
        buckets = [tuple(map(float, line.split())) for line in lines_of([PROGRAMS / "tails", path, users, calls])]
        total, seen, missing = sum(count for _, count in buckets), 0, list(marks)
        for ns, count in buckets:
            whole[ns] = whole.get(ns, 0) + count
            seen += count
            while missing and seen >= missing[0] * total:
                marks[missing.pop(0)].append(ns)
    for mark, name, limit in ((0.5, "p50", 0.5), (0.99, "p99", 15), (0.999, "p99.9", 1000)):
        figure, noise = with_noise([ns / 1e3 for ns in marks[mark]])
        verdicts.at_most(f"{users:,} users, Zipf: {name}, in microseconds", figure, limit, " µs", noise)
    rows = [[f"{mark:.4g}", shown(statistics.median(found))] for mark, found in marks.items()]
    return table(["share of the calls", "took at most"], rows), sorted(whole.items())


def scale(folder, counts, verdicts):
    rows, measured = [], {}
    for users in counts:
        path = folder / f"{users}.db"
        if not path.exists():
            make_store(path, users)
        runs = [list(map(int, lines_of([PROGRAMS / "scale", path, users])[0].split())) for _ in range(5)]
        opened, uncached, first, cached = (statistics.median(column) for column in zip(*runs))
        measured[users] = (opened, uncached, first)
        rows.append([f"{users:,}", shown(opened), shown(uncached), shown(first), f"{cached:.0f} B" if cached else "", f"{path.stat().st_size / users:.0f} B"])
    least, most = min(counts), max(counts)
    verdicts.at_most(f"opening {most:,} users, times opening {least:,}", measured[most][0] / measured[least][0], 1.5)
    verdicts.at_most("memory a cached user, in bytes", float(rows[-1][4].split()[0] or 0), 1024, " B")
    return table(["users", "to open", "an uncached read", "a first use", "memory a cached user", "file a user"], rows), measured


def start(path, rounds, verdicts):
    token = "v2:" + base64.urlsafe_b64encode(bytes(12) + AESGCM(bytes(range(32))).encrypt(bytes(12), b"k" * 51, None)).decode()
    runs = [list(map(int, lines_of([PROGRAMS / "start", LIBRARY, path, token])[0].split())) for _ in range(rounds)]
    load, whole, resident = (statistics.median(column) for column in zip(*runs))
    verdicts.at_most("load the library, open, first decrypt, in milliseconds", whole / 1e6, 3, " ms")
    stripped = PROGRAMS / "stripped.so"
    subprocess.run(["strip", "-o", stripped, LIBRARY], check=True)
    size = stripped.stat().st_size
    verdicts.at_most("the shared library, stripped, in megabytes", size / 1e6, 2.5, " MB")
    static = LIBRARY.with_suffix(".a").stat().st_size
    return table(
        ["", ""],
        [
            ["loading the library", shown(load)], ["loading, opening, the first decrypt", shown(whole)],
            ["resident memory of the process then", f"{resident / 1e6:.1f} MB"],
            ["the shared library, stripped", f"{size / 1e6:.2f} MB"], ["the static library", f"{static / 1e6:.1f} MB"],
        ],
    )


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    versions = [
        lines_of(["openssl", "version"])[0], lines_of(["go", "version"])[0].replace("go version ", ""),
        "Python " + platform.python_version(), "libsodium " + lines_of(["pkg-config", "--modversion", "libsodium"])[0],
        lines_of(["rustc", "--version"])[0],
    ]
    return f"{model}, {os.cpu_count()} cores, Linux {platform.release()}; " + ", ".join(versions)


def pictures(made, opened, measured, buckets, growth):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams.update({"svg.hashsalt": "keycask", "figure.figsize": (8, 4), "font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    from matplotlib import pyplot

    def save(name):
        pyplot.tight_layout()
        pyplot.savefig(ROOT / "docs" / "pictures" / f"{name}.svg", metadata={"Date": None})
        pyplot.close()

    (ROOT / "docs" / "pictures").mkdir(exist_ok=True)
    names = list(made.rounds)[::-1]
    figure, axes = pyplot.subplots(1, 2, sharey=True)
    for axis, figures, title in ((axes[0], made, "made"), (axes[1], opened, "opened")):
        axis.barh(names, [figures.median(name) for name in names], color=["#b7410e" if "keycask" in name else "#8a93a0" for name in names])
        axis.set_title(f"a token of 51 bytes, {title}")
        axis.set_xlabel("nanoseconds")
        axis.set_xscale("log")
    save("tokens")
    for name in next(iter(measured.values())).rounds:
        pyplot.plot(SIZES, [size / measured["encrypt", size].median(name) for size in SIZES], marker="o", label=name, lw=2.5 if name == "keycask" else 1)
    pyplot.xscale("log", base=2)
    pyplot.yscale("log")
    pyplot.xlabel("bytes of plaintext")
    pyplot.ylabel("bytes a nanosecond (GB/s)")
    pyplot.legend()
    save("sizes")
    total, seen, points = sum(count for _, count in buckets), 0, []
    for ns, count in buckets:
        points.append((ns, 1 - seen / total))
        seen += count
    pyplot.plot(*zip(*points), color="#b7410e")
    pyplot.xscale("log")
    pyplot.yscale("log")
    pyplot.xlabel("nanoseconds")
    pyplot.ylabel("share of calls that took longer")
    save("tails")
    for at, label in enumerate(("to open", "an uncached read", "a first use")):
        pyplot.plot(list(growth), [figures[at] / 1e3 for figures in growth.values()], marker="o", label=label)
    pyplot.xscale("log")
    pyplot.yscale("log")
    pyplot.xlabel("users")
    pyplot.ylabel("microseconds")
    pyplot.legend()
    save("scale")


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--quick", action="store_true")
    quick = options.parse_args().quick
    rounds, verdicts, parts = (9 if quick else 31), Verdicts(), {"machine": machine()}
    print(parts["machine"], flush=True)
    with tempfile.TemporaryDirectory(dir=PROGRAMS) as folder:
        folder = pathlib.Path(folder)
        programs = contenders(folder)
        parts["tokens"], (made, opened) = tokens(programs, rounds, verdicts)
        parts["ways"] = ways(programs, rounds, verdicts)
        parts["threads"] = threads(programs, rounds, verdicts)
        if not quick:
            parts["sizes"], measured = sizes(programs, 9)
        for program, _ in programs.values():
            program.end()
        counts = [1_000, 100_000] if quick else [1_000, 100_000, 1_000_000, 10_000_000]
        parts["scale"], growth = scale(folder, counts, verdicts)
        parts["start"] = start(folder / "1000.db", rounds, verdicts)
        users, calls = (100_000, 200_000) if quick else (1_000_000, 2_000_000)
        parts["tails"], buckets = tails(folder / f"{users}.db", users, calls, verdicts)
    parts["targets"] = table(["target", "", "measured", ""], [(*row[:3], "holds" if row[3] else "**missed**") for row in verdicts.rows])
    if quick:
        print("\n" + parts["tokens"] + "\n\n" + parts["ways"] + "\n\n" + parts["threads"])
    else:
        pictures(made, opened, measured, buckets, growth)
        text = (ROOT / "benches" / "performance.md.in").read_text()
        for name, part in parts.items():
            text = text.replace("{{" + name + "}}", part)
        (ROOT / "docs" / "performance.md").write_text(text)
    print(f"\n{len(verdicts.rows) - len(verdicts.missed)} targets hold, {len(verdicts.missed)} missed")
    return 1 if verdicts.missed else 0


sys.exit(main())
