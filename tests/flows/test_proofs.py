"""Short versions of the proofs that models learn; the proofs themselves: `make proofs`, docs/results.md."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from flows.train_and_eval import main
from tests.proofs.proofs import PROOFS
from tests.proofs.samples import write_pairs

pytestmark = pytest.mark.timeout(900)

LONGEST, LONGER = 12, 14  # in training, and beyond

REVERSAL = (
    *(
        "--data.validation_fraction",
        "0",
        "--data.max_source_length",
        str(LONGER),
        "--data.max_target_length",
        str(LONGER),
    ),
    *("--model.units", "32", "--model.embedding", "16", "--model.bidirectional", "true"),
    *("--training.epochs", "4", "--training.batch_size", "32", "--training.learning_rate", "0.01"),
    *("--training.schedule", "cosine_decay", "--training.global_clipnorm", "1"),
)


def write_reversal(folder):
    """Of integers of 0..19: 8,000 sequences to train on, 1,000 to test on, a half of them longer than all of training."""
    rng = np.random.default_rng(0)
    lengths = {
        "train": rng.integers(1, LONGEST + 1, 8_000),
        "test": np.r_[rng.integers(1, LONGEST + 1, 500), rng.integers(LONGEST + 1, LONGER + 1, 500)],
    }
    for name, of in lengths.items():
        sources = [rng.integers(0, 20, length) for length in of]
        write_pairs(folder / f"{name}.parquet", sources, [source[::-1] for source in sources])


def accuracies(run, folder, *flags):
    """Shares of whole sequences right: of the lengths of training, and of longer ones."""
    files = ("--data.train", str(folder / "train.parquet"), "--data.test", str(folder / "test.parquet"))
    code, summary, said = run(main, *files, *REVERSAL, *flags)
    assert code == 0, said
    evaluation = next(step["path"] for step in summary["steps"] if step["name"] == "evaluation")
    table = pq.read_table(Path(evaluation) / "predictions.parquet").to_pydict()
    correct, is_longer = np.array(table["correct"]), np.array([len(source) > LONGEST for source in table["source"]])
    return correct[~is_longer].mean(), correct[is_longer].mean()


@pytest.mark.exhaustive
def test_attention_reverses_what_a_state_cannot_hold_and_goes_on_beyond_the_lengths_of_training(run, tmp_path):
    """Without it, and all else equal, neither is learned."""
    write_reversal(tmp_path)
    as_long, longer = accuracies(run, tmp_path, "--model.attention", "luong_general", "--model.input_feeding", "true")
    assert as_long >= 0.95
    assert longer >= 0.3
    as_long, longer = accuracies(run, tmp_path)
    assert as_long <= 0.7
    assert longer <= 0.02


@pytest.mark.exhaustive
def test_the_tutorials_proof_holds_with_another_seed(run):
    code, summary, _ = run(main, "--config", str(PROOFS["tutorial"].experiment), "--seed", "7")
    assert code == 0
    assert summary["n_evaluated"] == 10_000
    assert summary["sequence_accuracy"] >= 0.999


@pytest.mark.exhaustive
def test_sums_of_two_digits_are_learned_from_most_of_them(run):
    """9,000 of the 10,000 sums that there are; the thousand others are asked."""
    code, summary, _ = run(
        main,
        *("--data.problem", "addition", "--data.n_in", "5", "--data.n_samples", "9000"),
        *("--evaluation.n_samples", "500", "--model.units", "64", "--model.embedding", "16"),
        *("--training.epochs", "30", "--training.batch_size", "32", "--training.learning_rate", "0.005"),
        *("--training.schedule", "cosine_decay"),
    )
    assert code == 0
    assert summary["sequence_accuracy"] >= 0.9
