"""Proves that the models learn: `python -m tests.proofs.run --help`.

Each proof is an experiment that is trained and evaluated by the main job, a process of its own for each seed, with a
store of its own. Exit codes: 0 all goals are reached; 1 one is missed, or a run failed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tasks.seq2seq.cpu import available_cores
from tests.proofs.proofs import PROOFS, ROOT, Proof
from tests.proofs.results import PageError, Run, format_table, missed, put_into

EXIT_SUCCESS, EXIT_FAILED = 0, 1
FOLDER = ROOT / "data" / "proofs"
OWN_SETTINGS = ("PREFECT_", "SEQ2SEQ_")
SHOWN_LINES = 15


class FailedError(Exception):
    """A run did not end well."""


def main(argv: list[str] | None = None) -> int:
    """Runs the proofs, prints their tables, and gives the exit code."""
    chosen = parse(argv)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    faults: list[str] = []
    try:
        for name in chosen.names:
            proof = PROOFS[name]
            runs = prove(name, proof, range(chosen.seeds))
            table = format_table(proof, runs)
            print(f"## {name}\n\n{table}\n", flush=True)
            faults += [f"{name}: {fault}" for fault in missed(proof, runs)]
            if chosen.page:
                page = chosen.page.read_text(encoding="utf-8")
                chosen.page.write_text(put_into(page, name, table), encoding="utf-8")
    except (FailedError, PageError) as error:
        say(f"failed: {error}")
        return EXIT_FAILED
    for fault in faults:
        say(f"missed: {fault}")
    return EXIT_FAILED if faults else EXIT_SUCCESS


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line; without names, all."""
    parser = argparse.ArgumentParser(prog="python -m tests.proofs.run", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(PROOFS)} (all)")
    parser.add_argument("--seeds", type=int, default=5, help="so many, from 0 (5)")
    parser.add_argument("--page", type=Path, help="file whose tables are written anew, such as docs/results.md")
    chosen = parser.parse_args(argv)
    unknown = [name for name in chosen.names if name not in PROOFS]
    if unknown:
        parser.error(f"there is no proof {', '.join(unknown)}; there are {', '.join(PROOFS)}")
    if chosen.seeds < 1:
        parser.error(f"--seeds is {chosen.seeds}, expected at least 1")
    if chosen.page and not chosen.page.is_file():
        parser.error(f"--page {chosen.page}: there is no such file")
    chosen.names = chosen.names or list(PROOFS)
    return chosen


def prove(name: str, proof: Proof, seeds: Sequence[int]) -> list[Run]:
    """One run for each seed, on data that is made here; each is also stored as JSON.

    Raises:
        FailedError: a run did not end well.
    """
    folder = FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    if proof.make:
        proof.make(folder)
    runs = []
    for seed in seeds:
        say(f"{name}: seed {seed} ...")
        run = run_seed(proof, seed, folder)
        run.write(folder / f"seed-{seed}.json")
        say(f"{name}: seed {seed} took {run.seconds:.0f} s, {run.figures}")
        runs.append(run)
    return runs


def run_seed(proof: Proof, seed: int, folder: Path, flags: Sequence[str] = ()) -> Run:
    """The main job as a process of its own, with more flags; what it said is in `folder`.

    Raises:
        FailedError: it did not end well.
    """
    log = folder / f"seed-{seed}.log"
    with new_folder(folder / f"seed-{seed}") as place, log.open("w") as output:
        summary = place / "summary.json"
        command = [sys.executable, "-m", "flows.train_and_eval", "--config", str(proof.experiment)]
        command += ["--seed", str(seed), "--store", str(place / "store"), "--summary", str(summary), *flags]
        began = time.perf_counter()
        done = subprocess.run(
            command, cwd=ROOT, env=environment(), stdout=output, stderr=subprocess.STDOUT, check=False
        )
        seconds = time.perf_counter() - began
        if done.returncode:
            last = "\n".join(log.read_text(errors="replace").splitlines()[-SHOWN_LINES:])
            raise FailedError(f"`{' '.join(command)}` ended with {done.returncode}:\n{last}\nall of it: {log}")
        content = json.loads(summary.read_text(encoding="utf-8"))
        return Run.of(content, proof, seed, seconds, available_cores())


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder that is empty at first and gone afterwards."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def environment() -> dict[str, str]:
    """That of this process, without settings of Prefect and of this project, and with a PREFECT_HOME for the proofs."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN_SETTINGS)}
    return {**kept, "PREFECT_HOME": str(FOLDER / "prefect")}


def say(message: str) -> None:
    """Tells what is going on, apart from the tables."""
    print(message, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
