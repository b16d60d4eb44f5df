"""Commands that are typed in another folder, or as scripts."""

import json
import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.seconds

SCRIPTS = sorted(path.stem for path in ROOT.glob("flows/[!_]*.py"))
BY_HAND = {"clean_up": "store prune"}


def run(*words, cwd, **environment):
    kept = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PREFECT_API_URL")}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, cwd=cwd, env={**kept, **environment}, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_command_that_is_run_as_a_script_says_what_to_type_instead(name, tmp_path):
    ran = run(ROOT / "flows" / f"{name}.py", "--help", cwd=tmp_path)
    assert ran.returncode == 2
    assert (
        ran.stdout + ran.stderr
        == f"refused: in the folder of the checkout, type: python -m flows.{BY_HAND.get(name, name)}\n"
    )


def test_the_folder_of_flows_that_is_run_says_so_too(tmp_path):
    ran = run(ROOT / "flows", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stdout + ran.stderr == "refused: in the folder of the checkout, type: python -m flows\n"


def test_a_command_runs_from_any_folder_with_pythonpath_and_paths_are_of_that_folder(tmp_path):
    rows = "".join(f"{i} {i + 1},{i + 1} {i}\n" for i in range(1, 100))
    (tmp_path / "pairs.csv").write_text(f"source,target\n{rows}")
    flags = ["--data.train", "pairs.csv", "--store", "store", "--summary", "found.json", "--dry-run"]
    ran = run("-m", "flows.train_and_eval", *flags, cwd=tmp_path, PYTHONPATH=str(ROOT))
    assert ran.returncode == 0, ran.stderr
    assert json.loads((tmp_path / "found.json").read_text())["data"]["read"] == {"train": 99}
