"""An experiment that learns its problem in a second, and what is there once it was run."""

import contextlib

from flows.train_and_eval import main
from tests.helpers.once import made_once

TINY = [
    *("--data.n_in", "4", "--data.n_out", "2", "--data.cardinality", "6", "--data.n_samples", "6000"),
    *(
        "--model.units",
        "32",
        "--model.embedding",
        "16",
        "--training.epochs",
        "4",
        "--training.batch_size",
        "64",
    ),
    *("--training.learning_rate", "0.02", "--evaluation.n_samples", "50", "--evaluation.n_examples", "3"),
]


def tiny_run(tmp_path_factory):
    """A folder with the `store`, the `summary.json` and the words, `said`, of a first run; for copying."""
    return made_once(tmp_path_factory, "tiny-run", _run)


def _run(folder):
    with (folder / "said").open("w") as said, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        assert main([*TINY, "--store", str(folder / "store"), "--summary", str(folder / "summary.json")]) == 0
