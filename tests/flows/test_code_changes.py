"""Editing a line of the project makes the steps again that reach it, and no others: by real runs of a copy."""

import json
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

TINY = "--data.n_in 3 --data.n_out 2 --data.cardinality 5 --data.n_samples 200 --evaluation.n_samples 5 --model.units 4"


@pytest.fixture
def copy(tmp_path, own_server_environment):
    """A copy of the project, and what runs the main job in it and gives the steps that were made."""
    for folder in ("flows", "tasks"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))

    def run():
        summary = tmp_path / "summary.json"
        command = [sys.executable, "-m", "flows.train_and_eval", *TINY.split(), "--summary", str(summary), "--quiet"]
        done = subprocess.run(
            [*command, "--store", str(tmp_path / "store")],
            cwd=tmp_path,
            env=own_server_environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return {step["name"] for step in json.loads(summary.read_text())["steps"] if not step["cached"]}

    return tmp_path, run


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_an_edit_makes_the_steps_again_that_reach_it_and_what_comes_out_as_before_leaves_the_rest_cached(copy):
    folder, run = copy
    assert run() == {"dataset", "training", "bundle", "evaluation", "report"}
    assert run() == set()
    for module, made in {
        "tasks/storage/ingest/series.py": {"dataset"},
        "tasks/seq2seq/training/optimizers.py": {"training"},
        "tasks/evaluate.py": {"evaluation"},
        "tasks/reporting/report.html.jinja": {"report"},
    }.items():
        path = folder / module
        path.write_text(path.read_text() + ("\nA_LINE_MORE = 1\n" if path.suffix == ".py" else " "))
        assert run() == made, module
