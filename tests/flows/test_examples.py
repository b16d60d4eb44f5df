"""The examples: all in full by `make examples`, the quick ones when slow tests run; in a small version, one of each kind."""

import math

import pytest

from flows._cli.checkout import ROOT
from flows.train_and_eval import main

EXAMPLES = ROOT / "data" / "examples"
SMALL = ("--training.epochs", "1", "--training.batch_size", "256", "--model.units", "8", "--model.embedding", "4")


@pytest.mark.parametrize(
    "name",
    [
        "g2p",
        pytest.param("co2", marks=pytest.mark.slow),
        pytest.param("panel", marks=pytest.mark.exhaustive),
        *(pytest.param(name, marks=pytest.mark.exhaustive) for name in ("dates", "reversal")),
    ],
)
def test_an_example_runs_from_its_file_to_its_report(run, name):
    code, summary, _ = run(main, "--config", str(EXAMPLES / f"{name}.toml"), *SMALL)
    assert code == 0
    assert summary["name"] == f"{name}-example"
    assert summary["n_evaluated"] == summary["dataset"]["evaluation_rows"] > 0
    assert summary["dataset"]["rejected_rows"] == 0
    score = summary["relative_mae"] if "mae" in summary else summary["sequence_accuracy"]
    assert math.isfinite(score)
    with open(summary["report"]) as page:  # noqa: PTH123
        assert f"{summary['n_evaluated']:,}" in page.read()


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("name", "score", "at_least", "at_most"),
    [
        pytest.param("integers", "sequence_accuracy", 0.99, 1.0, marks=pytest.mark.exhaustive),
        pytest.param("numbers", "sequence_accuracy", 0.97, 1.0, marks=pytest.mark.exhaustive),
        pytest.param("dice", "sequence_accuracy", 0.83, 0.9, marks=pytest.mark.exhaustive),
        pytest.param("weather", "relative_mae", 0.75, 0.9999, marks=pytest.mark.exhaustive),
        pytest.param("co2", "relative_mae", 0.1, 0.35, marks=pytest.mark.slow),
        pytest.param("panel", "mae", 35.0, 38.5, marks=pytest.mark.exhaustive),
    ],
)
def test_an_example_gets_the_figures_that_its_page_promises(run, name, score, at_least, at_most):
    code, summary, _ = run(main, "--config", str(EXAMPLES / f"{name}.toml"), "--require-promotion")
    assert code == 0
    assert at_least <= summary[score] <= at_most
