"""Commands that are killed at a random moment and run again, plainly."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tests.torture.commands import Command, leftovers

NEW_HOMES = 4  # of so many kills one has Prefect set up its database; the others find it as the undisturbed run left it
TINY = ("--data.n_samples", "3000", "--model.units", "16", "--evaluation.min_sequence_accuracy", "0")


class Killed(NamedTuple):
    """What became of a kill and the rerun after it: whether it hit, and what is wrong with what the rerun left."""

    hit: bool
    faults: list[str]


class Victim:
    """A command that starts from the same folder each time, and what it should leave."""

    def __init__(self, folder: Path, prepare: Callable[[Path], None], flow: str, words: Callable[[Path], list[object]]):
        """Takes a folder, what fills a new one, the command, and its words for a folder."""
        self._folder, self._prepare, self._flow, self._words = folder, prepare, flow, words
        self._undisturbed = self._begin("undisturbed")
        ran = self._command(self._undisturbed).run()
        assert ran.code == 0, ran.said
        self._seconds, self._expected = ran.seconds, outputs(self._undisturbed)

    def kill(self, number: int, seed: int) -> Killed:
        """Kills the command once at a moment that the seed draws, and runs it again."""
        rng = random.Random(f"{self._flow}-{seed}-{number}")  # noqa: S311 - not for secrets
        folder = self._begin(f"kill-{seed}-{number}")
        if number % NEW_HOMES:
            shutil.copytree(self._undisturbed / "prefect", folder / "prefect")
        command = self._command(folder)
        hit = command.kill_after(rng.uniform(0.2, self._seconds))
        faults = [f"lives on: {one}" for one in command.orphans()]
        made = {path.name.split("-")[0] for path in folder.glob("store/keys/*.json")}
        ran = self._command(folder).run()
        if ran.code:
            faults.append(f"the rerun ended with {ran.code}: {ran.said[-2000:]}")
        elif outputs(folder) != self._expected:
            faults.append(
                f"the outputs differ: {sorted(set(outputs(folder).items()) ^ set(self._expected.items()))[:4]}"
            )
        faults += [f"made again: {name}" for name in made if _was_remade(folder, name)]
        faults += [f"left over: {path}" for path in leftovers([folder / "store", folder / "out"])]
        shutil.rmtree(folder, ignore_errors=True)
        return Killed(hit, faults)

    def _begin(self, name: str) -> Path:
        folder = self._folder / name
        folder.mkdir(parents=True)
        self._prepare(folder)
        return folder

    def _command(self, folder: Path) -> Command:
        return Command(folder, self._flow, *self._words(folder), "--summary", folder / "summary.json")


def _was_remade(folder: Path, kind: str) -> bool:
    """Whether a step that had been made before the kill was made again."""
    path = folder / "summary.json"
    steps = json.loads(path.read_text()).get("steps", []) if path.exists() else []
    return any(step["name"] == kind and not step["cached"] for step in steps)


def outputs(folder: Path) -> dict[str, str]:
    """Digests of predictions, of batches and of evaluations; of these the newest alone."""
    paths = [path for path in (folder / "out").rglob("*") if path.is_file() and not path.name.startswith("_")]
    paths += folder.glob("store/evaluation/*/predictions.parquet")
    paths = [path for path in paths if ".work" not in path.parts]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def main_job(folder: Path) -> Victim:
    """The tutorial's problem, small."""
    return Victim(
        folder / "main", lambda _: None, "train_and_eval", lambda here: [*TINY, "--store", here / "store", "--quiet"]
    )


def batch(folder: Path, store: Path) -> Victim:
    """Three files of 20,000 rows, in chunks of 2,000."""

    def prepare(here: Path) -> None:
        (here / "in").mkdir()
        rows = [[i % 50 + 1, 2, 3, 4, 5, i % 7 + 1] for i in range(20_000)]
        for name in ("a", "b", "c"):
            pq.write_table(pa.table({"source": rows}), here / "in" / f"{name}.parquet")
        shutil.copytree(store, here / "store")

    return Victim(
        folder / "batch",
        prepare,
        "batch_predict",
        lambda here: [
            here / "in", "--output", here / "out", "--store", here / "store", "--settle", "0", "--chunk-rows", "2000",
            "--quiet",
        ],
    )  # fmt: skip


def night(folder: Path) -> Victim:
    """A night of the tutorial's problem with one file to predict."""

    def prepare(here: Path) -> None:
        (here / "in").mkdir()
        pq.write_table(pa.table({"source": [[1, 2, 3, 4, 5, 6]] * 500}), here / "in" / "a.parquet")

    return Victim(
        folder / "night",
        prepare,
        "nightly",
        lambda here: [
            *TINY, "--store", here / "store", "--predict.inputs", here / "in", "--predict.output", here / "out",
            "--predict.settle", "0", "--quiet",
        ],
    )  # fmt: skip
