"""The page of a first model of one's own: its commands lead from a bad score to a good one, as it says."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "first-model.md").read_text()
BLOCKS = re.findall(r"<!-- run: (first model(?:, again)?) -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
(SETTINGS,) = re.findall(r"<!-- file: numerals.toml -->\n```toml\n(.*?)```", PAGE, re.DOTALL)
(MORE,) = re.findall(r"<!-- file: numerals.toml, continued -->\n```text\n(.*?)```", PAGE, re.DOTALL)


def test_every_command_of_the_page_is_run():
    assert len(BLOCKS) == PAGE.count("```sh\n")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_first_score_is_bad_and_the_second_good(tmp_path):
    for name in ("flows", "tasks"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    settings = tmp_path / "numerals.toml"
    settings.write_text(SETTINGS)
    make, look, train = [block for label, block in BLOCKS if label == "first model"]
    _run(make, tmp_path)
    assert "to train" in _run(look, tmp_path)
    assert _accuracy(train, tmp_path) < 0.1
    settings.write_text(f"{SETTINGS}\n{MORE}")
    again, predict = [block for label, block in BLOCKS if label == "first model, again"]
    assert _accuracy(again, tmp_path) >= 0.95
    assert _run(predict, tmp_path).split() == ["9841", "2619"]


def _accuracy(train, folder):
    """Trains as the page does and gives the share of sequences that are right."""
    _run(f"{train.rstrip()} --summary summary.json", folder)
    return json.loads((folder / "summary.json").read_text())["sequence_accuracy"]


def _run(commands, folder):
    """What the commands print, run with a store and a Prefect home of their own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = {**kept, "PREFECT_HOME": str(folder / "prefect"), "SEQ2SEQ_STORE": str(folder / "store")}
    command = ["bash", "-euo", "pipefail", "-c", commands]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout
