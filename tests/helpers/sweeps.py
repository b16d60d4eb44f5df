"""A sweep that trains in seconds: its trials differ in how they decode, so that they share one training a seed."""

import contextlib

from flows.sweep import main
from tests.helpers.once import made_once

SETTINGS = """
name = "tiny"
[data]
n_in = 3
n_out = 2
cardinality = 6
n_samples = 1000
[model]
units = 16
embedding = 8
[training]
epochs = 6
batch_size = 50
learning_rate = 0.02
[evaluation]
n_samples = 40
n_examples = 1
min_sequence_accuracy = 0.0
[sweep]
trials = 3
generation = 2
workers = 1
seed = 5
[sweep.space]
decoding.method = ["greedy", "beam"]
decoding.length_penalty = [0.0, 1.0]
"""
# A penalty is for beam search: of the four sets of settings, one is refused.
REFUSED = {"decoding.method": "greedy", "decoding.length_penalty": 1.0}


def swept(tmp_path_factory):
    """A folder with the `store`, the `summary.json`, `sweep.toml` and the words, `said`, of a first sweep; for copying."""
    return made_once(tmp_path_factory, "swept", _run)


def _run(folder):
    (folder / "sweep.toml").write_text(SETTINGS)
    with (folder / "said").open("w") as said, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = main(["--config", str(folder / "sweep.toml"), "--store", str(folder / "store"),
                     "--summary", str(folder / "summary.json")])  # fmt: skip
    assert code == 0, (folder / "said").read_text()
