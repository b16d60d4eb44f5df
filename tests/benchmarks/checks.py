"""What checking costs: the rate of digests, and the share of the checks in the main job and in a batch prediction.

    python tests/benchmarks/checks.py [--rows 1000000]

CPU seconds, so that other programs on the machine change little. The share is of the command's own process; its server
is left out, which makes the share larger. Exit code 1 where a goal is missed.
"""

import argparse
import functools
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
sys.path.insert(0, str(ROOT))
MIB = 2**20
LEAST_RATE, MOST_SHARE = 0.9, 0.03
# Module and name of whatever reads in order to check; what one of them calls is counted once.
CHECKS = (
    ("tasks.storage.files.digests", "file_digest"),
    ("tasks.storage.files.inputs", "InputFile.digest"),
    ("tasks.storage.files.archives", "stored_members"),
    ("tasks.storage.readers.parquet_footer", "check_footer"),
    ("tasks.storage.store.manifest", "canonical_digest"),
    ("tasks.storage.store.manifest", "Manifest.read"),
    ("tasks.storage.store.artifact_store", "check_artifact"),
    ("tasks.storage.store.promotions", "read_promotions"),
    ("tasks.storage.outputs.accounts", "find_account"),
    ("tasks.seq2seq.inference.graphs.graph_check", "check_graph"),
    ("tasks.runtime.code", "code_digest"),
)


class TimedHash:
    """The digest of a chunk, its seconds noted; all else of writing and reading one is not checking."""

    def __init__(self, inner, note):
        self._inner, self._note = inner, note

    def update(self, content):
        """As the digest's own."""
        began = time.thread_time()
        self._inner.update(content)
        self._note(time.thread_time() - began)

    def hexdigest(self):
        """As the digest's own."""
        return self._inner.hexdigest()


class Watch:
    """CPU seconds inside of functions, by name, and how often each file was digested."""

    def __init__(self):
        self.seconds, self.calls = {}, {}
        self._inside = threading.local()

    def time(self, module, name):
        """Has a function, or a method, timed from now on."""
        holder = __import__(module, fromlist=["_"])
        *of, attribute = name.split(".")
        for part in of:
            holder = getattr(holder, part)
        raw = vars(holder)[attribute]
        plain = raw.__func__ if isinstance(raw, classmethod) else raw

        @functools.wraps(plain)
        def timed(*arguments, **keywords):
            if getattr(self._inside, "is_so", False):
                return plain(*arguments, **keywords)
            self._inside.is_so, began = True, time.thread_time()
            try:
                return plain(*arguments, **keywords)
            finally:
                self._inside.is_so = False
                self.seconds[name] = self.seconds.get(name, 0) + time.thread_time() - began
                self.calls[name] = self.calls.get(name, 0) + 1

        setattr(holder, attribute, classmethod(timed) if isinstance(raw, classmethod) else timed)

    def time_chunks(self):
        """Has the digests of chunks timed."""
        from tasks.storage.outputs import chunk_files

        plain = chunk_files._start_digest

        def note(seconds):
            self.seconds["chunks"] = self.seconds.get("chunks", 0) + seconds
            self.calls["chunks"] = self.calls.get("chunks", 0) + 1

        chunk_files._start_digest = lambda path: TimedHash(plain(path), note)

    def count_digests(self):
        """Notes which files are read in order to be digested."""
        self.read = []
        plain = hashlib.file_digest

        def counted(file, *arguments):
            found = os.fstat(file.fileno())
            self.read.append((found.st_dev, found.st_ino, found.st_ctime_ns))
            return plain(file, *arguments)

        hashlib.file_digest = counted


def run_watched(command, words):
    """Runs a command in this process; prints its own CPU seconds and those of its checks as JSON."""
    watch = Watch()
    watch.count_digests()
    for module, name in CHECKS:
        watch.time(module, name)
    watch.time_chunks()
    main = __import__(f"flows.{command}", fromlist=["main"]).main
    code = main([*words, "--quiet"])
    again = len(watch.read) - len({*watch.read})
    print(json.dumps({"cpu": time.process_time(), "checks": watch.seconds, "calls": watch.calls,
                      "digests": len(watch.read), "again": again}))  # fmt: skip
    return code


def watched(command, *words):
    """The same in a process of its own, with a PREFECT_HOME of its own."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**os.environ, "PREFECT_HOME": home, "TF_CPP_MIN_LOG_LEVEL": "3", "PREFECT_API_URL": ""}
        done = subprocess.run(
            [sys.executable, __file__, "--watched", command, *map(str, words)],
            cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True,
        )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def digest_rates(folder, n_mib=512):
    """CPU seconds of Python's own digest over ours: of a file in memory, and of the same file read."""
    from tasks.storage.files.digests import file_digest
    from tasks.storage.files.inputs import look_up

    block = os.urandom(MIB)
    path = folder / "large.npz"
    with path.open("wb") as file:
        for _ in range(n_mib):
            file.write(block)

    def seconds(action):
        began = time.process_time()
        action()
        return time.process_time() - began

    def itself():
        digest = hashlib.sha256()
        for _ in range(n_mib):
            digest.update(block)
        digest.hexdigest()

    def anew():
        os.utime(path)  # else the digest would be known
        return file_digest(path)

    def read():
        with path.open("rb") as file:
            hashlib.file_digest(file, "sha256")

    (found,) = look_up(path).files
    actions = (itself, read, anew, found.digest)
    in_memory, from_file, ours, inputs = (min(seconds(action) for _ in range(5)) for action in actions)
    return {
        "a file of the store": (from_file / ours, in_memory / ours),
        "an input": (from_file / inputs, in_memory / inputs),
    }


def write_input(path, rows):
    """The default problem's sources."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    values = np.random.default_rng(0).integers(1, 51, (rows, 6)).astype(np.int32)
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * 6)
    pq.write_table(pa.table({"source": pa.ListArray.from_arrays(offsets, values.reshape(-1))}), path)
    os.utime(path, (1, 1))


def main():
    """Measures, prints, and says whether the goals are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--watched", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.watched:
        return run_watched(chosen.watched[0], chosen.watched[1:])
    is_met = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for what, (rate, in_memory) in digest_rates(folder).items():
            print(
                f"digest of {what}: {rate:.2f} of the rate of hashlib's own digest of a file (at least {LEAST_RATE}), "
                f"{in_memory:.2f} of that of bytes in memory"
            )
            is_met &= rate >= LEAST_RATE
        write_input(folder / "in.parquet", chosen.rows)
        store = ("--store", folder / "store")
        runs = {
            "main job": watched("train_and_eval", *store),
            "main job again": watched("train_and_eval", *store),
            "batch prediction": watched(
                "batch_predict", folder / "in.parquet", "--output", folder / "out", *store
            ),
            "batch prediction again": watched(
                "batch_predict", folder / "in.parquet", "--output", folder / "out", *store
            ),
        }  # fmt: skip
    for what, run in runs.items():
        share = sum(run["checks"].values()) / run["cpu"]
        parts = ", ".join(f"{name} {seconds:.3f} ({run['calls'][name]})" for name, seconds in run["checks"].items())
        print(
            f"{what}: {run['cpu']:.1f} CPU s, checks {share:.2%}: {parts}; {run['digests']} digests, {run['again']} again"
        )
        is_met &= "again" in what or share <= MOST_SHARE
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
