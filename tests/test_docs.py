"""The documentation says what is so: its examples run, its tables are complete, its commands are the ones that CI runs."""

import re
import tomllib

import pytest

from flows._reference import settings_reference
from flows._settings import ROOT, Options, read_settings
from flows.generate_datasets import GenerateDatasetsOptions
from flows.train_and_eval import TrainAndEvalOptions

README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def test_the_reference_of_settings_is_what_the_models_say():
    assert (ROOT / "docs" / "settings.md").read_text() == settings_reference()


def test_every_flow_option_is_in_the_docs():
    docs = README + "".join(path.read_text() for path in ROOT.glob("d*/**/*.md"))
    for options in (TrainAndEvalOptions, GenerateDatasetsOptions):
        for name in options.model_fields:
            assert f"--{name.replace('_', '-')}" in docs or f"`{name}`" in docs, name


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines() if " -m flows" in line])
def test_each_command_of_the_readme_is_accepted(line, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    flags = line.split(" -m flows.train_and_eval")[1].split()
    experiment, _ = read_settings(Options, flags, "train_and_eval", "")
    assert experiment.data


def test_the_readmes_python_example_runs(run_python):
    (example,) = blocks("python")
    printed = run_python(example).splitlines()[-1]
    assert re.fullmatch(r"\[\d+, \d+, \d+\]", printed)


def test_the_readme_installs_from_the_locks_and_ci_runs_its_test_command():
    run, test = (README.split(f"<!-- {name} command -->")[1].split("```")[1] for name in ("run", "test"))
    assert "--no-deps -r requirements.lock && .venv/bin/python -m flows.train_and_eval" in run
    assert "--no-deps -r requirements-dev.lock && .venv/bin/python -m pytest" in test
    assert "test command -->" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-bench.lock"])
def test_a_lock_pins_every_package_with_hashes_and_holds_no_addresses(name):
    text = (ROOT / name).read_text()
    assert "://" not in text
    requirements = re.split(r"\n(?=[a-z0-9])", text)
    for requirement in requirements:
        assert re.match(r"[\w.-]+(\[[\w,-]+\])?==\S+", requirement), requirement[:80]
        assert "--hash=sha256:" in requirement


def test_the_lock_names_what_the_project_names():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line}
    for requirement in project["dependencies"]:
        assert re.match(r"[\w-]+", requirement)[0] in locked
        assert ">=" in requirement
