"""The first page's way from a clone to a nightly prediction, walked in an empty folder."""

import os
import re
import shlex
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from flows._cli.settings import BATCH, FlowOptions, read_settings
from flows.train_and_eval import main as train_and_eval
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "start.md").read_text()
BLOCKS = re.findall(r"<!-- (run: start|by hand: [^>]+) -->\n```sh\n(.*?)```", PAGE, re.DOTALL)
STEPS = [block for label, block in BLOCKS if label == "run: start"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_first_page_leads_to_a_promoted_model_and_predictions(tmp_path):
    (tmp_path / "experiment.toml").write_text(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for name in ("flows", "tasks"):
        (tmp_path / name).symlink_to(ROOT / name)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = {**kept, "PREFECT_HOME": str(tmp_path / "prefect")}
    for step in STEPS:
        subprocess.run(["bash", "-euo", "pipefail", "-c", step], cwd=tmp_path, check=True, env=environment)
    predicted = pq.read_table(tmp_path / "predictions" / "monday.jsonl.parquet")
    assert predicted.num_rows == 2
    assert {"source", "prediction"} <= set(predicted.column_names)


@pytest.mark.seconds
def test_what_the_first_page_shows_of_a_dry_run_is_printed(tmp_path, monkeypatch, capsys):
    (tmp_path / "experiment.toml").write_text(re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1])
    make_pairs = STEPS[0].replace(".venv/bin/python", shlex.quote(sys.executable))
    subprocess.run(["bash", "-euo", "pipefail", "-c", make_pairs], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    assert train_and_eval([*shlex.split(STEPS[1].split("train_and_eval ")[1]), "--store", "store"]) == 0
    printed = "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())
    (shown,) = re.findall(r"<!-- printed: dry run -->\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert printed.startswith(f"{shown}\nstep ")


def test_each_step_of_the_first_page_is_walked_or_says_why_not():
    assert len(BLOCKS) == PAGE.count("```sh\n")
    assert len(STEPS) == 4


def test_the_line_for_cron_is_accepted(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (line,) = re.findall(r"^0 2 \* \* \* .*", PAGE, re.MULTILINE)
    settings, options = read_settings(BATCH, FlowOptions, shlex.split(line.split("batch_predict ")[1]), "", "")
    assert (settings.model, options.summary) == ("my-first", tmp_path / "nightly.json")
