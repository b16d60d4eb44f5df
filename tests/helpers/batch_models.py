"""Small models for tests of batch prediction, in one store, good at nothing."""

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.evaluate import evaluate_model
from tasks.export import export_model
from tasks.generate import generate_dataset
from tasks.promote import promote_model
from tasks.seq2seq.promotion.comparison import Standing
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.registry import find_bundle
from tasks.storage.store.artifact_store import Store
from tasks.train import train_model
from tests.helpers.once import made_once

SYMBOLS = range(-3, 9)  # of the integers' model, which takes at most `LONGEST` of them
LONGEST = 8
SOUNDS = {"b": "B", "k": "K", "o": "OW1", "a": "AA0", "é": "EY1"}
HISTORY, HORIZON = 8, 3
QUICK = {"epochs": 1, "batch_size": 64, "learning_rate": 0.02}
EASY = {"min_sequence_accuracy": 0.0, "max_relative_mae": 1e6}


class Models:
    """A store of promoted models, each made when it is first asked for, once for all processes that run tests."""

    def __init__(self, tmp_path_factory):
        self._tmp_path_factory = tmp_path_factory
        self.store = tmp_path_factory.mktemp("batch-models") / "store"
        self.bundles = {}

    def need(self, *names):
        """Sees to it that models are there; gives the store."""
        for name in names:
            if name not in self.bundles:
                made = made_once(self._tmp_path_factory, name, functools.partial(_make, name))
                shutil.copytree(made, self.store.parent, dirs_exist_ok=True)
                self.bundles[name] = find_bundle(Store(self.store), name).bundle
        return self.store


def _make(name, folder):
    store = folder / "store"
    experiment = check_experiment({"name": name, "evaluation": EASY, **_SETTINGS[name](folder)})
    dataset = generate_dataset.fn(experiment, store)
    training = train_model.fn(experiment, dataset, store)
    bundle = export_model.fn(experiment, dataset, training, store)
    evaluation = evaluate_model.fn(experiment, dataset, bundle, store)
    assert promote_model.fn(experiment, dataset, bundle, evaluation, Standing(), store).promoted


_ALL = []


def batch_models(tmp_path_factory):
    """The session's models."""
    if not _ALL:
        _ALL.append(Models(tmp_path_factory))
    return _ALL[0]


def integer_pairs(n, seed=0, longest=6):
    """Sources of varying length, and the same reversed."""
    rng = np.random.default_rng(seed)
    sources = [rng.choice(SYMBOLS, rng.integers(1, longest + 1)).tolist() for _ in range(n)]
    return sources, [source[::-1] for source in sources]


def spelled(n, seed=0):
    """Made-up words and their sounds, one by one."""
    rng = np.random.default_rng(seed)
    parts = [rng.choice(list(SOUNDS), rng.integers(1, 7)).tolist() for _ in range(n)]
    return ["".join(part) for part in parts], [[SOUNDS[letter] for letter in part] for part in parts]


def wave(n, start=0):
    """A rising wave."""
    steps = np.arange(start, start + n)
    return np.round(100 + 0.2 * steps + 10 * np.sin(steps * np.pi / 4), 4)


def _integers(folder):
    source, target = integer_pairs(1500)
    pq.write_table(pa.table({"source": source, "target": target}), folder / "integers.parquet")
    return {
        "data": {"train": folder / "integers.parquet", "max_source_length": LONGEST},
        "model": {"units": 16, "embedding": 8},
        "training": QUICK,
    }


def _sounds(folder):
    lines = ["\t".join((word, " ".join(sounds))) for word, sounds in zip(*spelled(1000), strict=True)]
    (folder / "sounds.tsv").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    data = {
        "train": folder / "sounds.tsv",
        "header": False,
        "source_encoding": "characters",
        "target_encoding": "words",
    }
    return {"data": data, "model": {"units": 12, "embedding": 6}, "training": {**QUICK, "batch_size": 32}}


def _letters(folder):
    """Words to characters, with the target's case folded; unknown words are rejected."""
    words, sounds = spelled(600)
    lines = ["\t".join((" ".join(sound), word)) for word, sound in zip(words, sounds, strict=True)]
    (folder / "letters.tsv").write_text("sounds\tword\n" + "".join(f"{line}\n" for line in lines), encoding="utf-8")
    data = {
        "train": folder / "letters.tsv", "source": "sounds", "target": "word", "source_encoding": "words",
        "target_encoding": "characters", "unknown": "reject",
    }  # fmt: skip
    return {"data": data, "model": {"units": 12, "embedding": 6}, "training": QUICK}


def _series(folder, **more):
    (folder / "wave.csv").write_text("day,level\n" + "".join(f"{i},{v}\n" for i, v in enumerate(wave(300))))
    data = {
        "train": folder / "wave.csv", "source": "level", "source_encoding": "vectors", "target_encoding": "vectors",
        "history": HISTORY, "horizon": HORIZON, **more,
    }  # fmt: skip
    return {"data": data, "model": {"units": 8}, "training": {**QUICK, "batch_size": 32}}


def shop_rows(stores, days, known_ahead=0):
    """Rows of a small panel, `store,day,sales,price`: of each store its days, and those ahead without sales.

    Weeks are not quite alike, or no forecast could be better than that of the week before, and no model would serve.
    """
    first = np.datetime64("2024-01-01")
    return [
        f"{store},{first + day},{'' if day >= days else 10 * (i + 1) + day % 7 + day * day % 11 / 10},{1 + day % 2}"
        for i, store in enumerate(stores)
        for day in range(days + known_ahead)
    ]


def _shop(folder):
    (folder / "shop.csv").write_text("\n".join(["store,day,sales,price", *shop_rows("abc", 80)]) + "\n")
    data = {
        "train": folder / "shop.csv", "source": "sales", "source_encoding": "vectors", "target_encoding": "vectors",
        "history": HISTORY, "horizon": HORIZON, "time": "day", "series": "store", "scale": "series", "known": "price",
    }  # fmt: skip
    return {"data": data, "model": {"units": 8}, "training": QUICK}


def _tiny(_folder):
    data = {"n_in": 4, "n_out": 2, "cardinality": 6, "n_samples": 3000}
    return {"data": data, "model": {"units": 16, "embedding": 8}, "training": {**QUICK, "epochs": 2}}


_SETTINGS: dict[str, Callable[[Path], dict[str, Any]]] = {
    "shop": _shop,
    "tiny": _tiny,
    "integers": _integers,
    "sounds": _sounds,
    "letters": _letters,
    "wave": _series,
    "rising": functools.partial(_series, relative_to_last=True),
}
