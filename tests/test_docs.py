"""The documentation says what is so: its examples run, its tables are complete, its commands are the ones that CI runs."""

import re
import shlex
import tomllib

import pytest

from flows._deployments import read_deployments
from flows._reference import SECTIONS, settings_reference
from flows._settings import BATCH, EXPERIMENT, ROOT, Options, read_settings, read_toml
from flows.batch_predict import BatchPredictOptions
from flows.generate_datasets import GenerateDatasetsOptions
from flows.serve import read_arguments
from flows.train_and_eval import TrainAndEvalOptions
from tasks.generate import check_inputs
from tasks.planning import OWN_COLUMNS
from tasks.seq2seq.forecasting import VectorScores
from tasks.seq2seq.rules import check_experiment
from tasks.seq2seq.scoring import TokenScores
from tasks.storage.columns import REASONS

README = (ROOT / "README.md").read_text()
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"))}
EXAMPLES = ROOT / "data" / "examples"


def blocks(language, *pages):
    return [
        block for page in pages or PAGES for block in re.findall(rf"```{language}\n(.*?)```", PAGES[page], re.DOTALL)
    ]


def test_the_reference_of_settings_is_what_the_models_say():
    assert (ROOT / "docs" / "settings.md").read_text() == settings_reference()


def test_every_flow_option_is_in_the_docs():
    docs = README + "".join(path.read_text() for path in ROOT.glob("d*/**/*.md"))
    for options in (TrainAndEvalOptions, GenerateDatasetsOptions, BatchPredictOptions):
        for name in options.model_fields:
            assert f"--{name.replace('_', '-')}" in docs or f"`{name}`" in docs, name


@pytest.mark.parametrize("line", [line for block in blocks("sh") for line in block.splitlines() if " -m flows" in line])
def test_each_command_of_the_docs_is_accepted(line, tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    flow, *flags = shlex.split(line.split(" -m flows.")[1])
    if flow == "serve":
        assert read_deployments(read_arguments(flags).deployments)
        return
    tree, options = {
        "train_and_eval": (EXPERIMENT, Options),
        "batch_predict": (BATCH, BatchPredictOptions),
    }[flow]
    settings, _ = read_settings(tree, options, flags, flow, "")
    assert settings


def test_the_readmes_python_example_runs(run_python):
    (example,) = [block for block in blocks("python") if "define_models" in block]
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


@pytest.mark.parametrize("block", blocks("toml"))
def test_each_experiment_of_the_docs_is_accepted(block, tmp_path):
    path = tmp_path / "experiment.toml"
    path.write_text(block)
    assert check_experiment(read_toml(path)).data.kind == "files"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_each_example_is_accepted_and_listed_with_its_data(path):
    experiment = check_experiment(read_toml(path))
    page = (EXAMPLES / "README.md").read_text()
    assert path.name in page
    if experiment.data.kind == "files":
        check_inputs(experiment)
        assert f"`{experiment.data.train.name}`" in page


def test_each_reason_of_a_reject_is_in_the_docs():
    page = PAGES["docs/own-data.md"]
    for reason in REASONS[1:]:
        side = "target" if reason == "length" else "source"
        assert f"`{side}_{reason}`" in page


def test_each_column_that_predictions_write_is_in_the_docs():
    for name in OWN_COLUMNS:
        assert f"| `{name}` |" in PAGES["docs/batch-prediction.md"]


@pytest.mark.parametrize("scores", [TokenScores, VectorScores])
def test_each_score_is_in_the_docs(scores):
    page = PAGES["docs/own-data.md"] + PAGES["docs/workflow.md"]
    for name in scores._fields:
        stem = re.sub(r"_(interval|by_step|by_feature)$", "", name)
        assert f"`{name}`" in page or f"`{stem}`" in page or name.startswith("mean_"), name


def test_every_setting_that_the_pages_name_exists():
    known = {f"{prefix}{name}" for prefix, _, model in SECTIONS.values() for name in model.model_fields}
    for page in PAGES.values():
        for name in re.findall(r"`((?:data|model|training|decoding|evaluation)\.\w+)", page):
            if not name.endswith((".toml", ".md", ".json")):
                assert name in known, name
