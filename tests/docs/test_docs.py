"""The documentation says what is so: its examples run, its tables are complete, its commands are the ones that CI runs."""

import re
import shlex
import tomllib

import pytest

from flows.__main__ import all_commands
from flows._cli.checkout import ROOT
from flows._cli.checks import check_data
from flows._cli.deployments import read_deployments
from flows._cli.reference import SECTIONS, settings_reference
from flows._cli.settings import read_settings, read_toml
from tasks.prediction.batch_model import OWN_COLUMNS
from tasks.seq2seq.metrics.table import METRICS
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.nightly import check_nightly_settings
from tasks.seq2seq.settings.rules import check_experiment
from tasks.seq2seq.settings.section import Section
from tasks.seq2seq.sweep.check import check_sweep_settings
from tasks.storage.ingest.reasons import REASONS

README = (ROOT / "README.md").read_text()
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/*.md"))}
EXAMPLES = ROOT / "data" / "examples"


def blocks(language, *pages):
    return [
        block for page in pages or PAGES for block in re.findall(rf"```{language}\n(.*?)```", PAGES[page], re.DOTALL)
    ]


def test_the_reference_of_settings_is_what_the_models_say():
    assert (ROOT / "docs" / "settings.md").read_text() == settings_reference()


def test_the_reference_has_every_setting_of_an_experiment():
    """Those of series, which files inherit, were not on it."""
    sections = {name: field.annotation for name, field in Experiment.model_fields.items()} | {"data": FilesData}
    page = settings_reference()
    for section, model in sections.items():
        if isinstance(model, type) and issubclass(model, Section):
            missing = [name for name in model.model_fields if name != "kind" and f"`{section}.{name}`" not in page]
            assert not missing, (section, missing)


COMMANDS = {command.name: command for command in all_commands()}
COMMAND_LINES = [
    (page, line.rstrip(" )"))
    for page in PAGES
    for block in blocks("sh", page)
    for line in block.replace("\\\n", "").splitlines()
    if " -m flows." in line
] + [("README.md", f"python {command}") for command in re.findall(r"`(-m flows\.[^`]+)`", README)]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_and_its_options_are_in_the_docs(name):
    assert any(f" -m flows.{name}" in page for page in PAGES.values())
    for option in COMMANDS[name].options.model_fields:
        flag = option.replace("_", "-")
        assert any(f"--{flag}" in page or f"`{option}`" in page for page in PAGES.values()), flag


# Where the README names a file of settings that is written out on another page.
PAGE_OF = {"night.toml": "docs/nightly.md", "sweep.toml": "docs/sweeps.md"}


@pytest.mark.parametrize(("page", "line"), COMMAND_LINES)
def test_each_command_of_the_docs_is_accepted(page, line, monkeypatch, tmp_path):
    config = re.search(r"--config (\S+)", line)
    is_there = config is None or (ROOT / config[1]).exists()
    monkeypatch.chdir(ROOT if is_there else tmp_path)
    if not is_there:  # the page's own first file; the README's is on the page that it names
        (tmp_path / config[1]).write_text((blocks("toml", PAGE_OF.get(config[1], page)))[0])
    name, *flags = shlex.split(line.split(" -m flows.")[1])
    command = COMMANDS[name]
    settings, _ = read_settings(command.tree, command.options, flags, name, "")
    assert settings
    assert not re.search(r" --[\w.-]*_[^ ]* ", f"{line} "), "flags are written with dashes"
    if name == "serve":
        assert read_deployments(settings.deployments)


@pytest.mark.slow
def test_the_tutorials_example_in_python_runs(run_python):
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


_CHECKS = {"predict": check_nightly_settings, "sweep": check_sweep_settings}


@pytest.mark.parametrize("block", blocks("toml"))
def test_each_experiment_of_the_docs_is_accepted(block, tmp_path):
    path = tmp_path / "experiment.toml"
    path.write_text(block)
    content = read_toml(path)
    check = next((_CHECKS[name] for name in _CHECKS if name in content), check_experiment)
    experiment = check(content)
    assert experiment.data.kind == "files"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.name)
def test_each_example_is_accepted_and_listed_with_its_data(path):
    experiment = check_experiment(read_toml(path))
    page = (EXAMPLES / "README.md").read_text()
    assert path.name in page
    if experiment.data.kind == "files":
        check_data(experiment)
        assert f"`{experiment.data.train.name}`" in page


OF_TIME = ("repeated", "off_step", "skipped", "zone")


def test_each_reason_of_a_reject_is_in_the_docs():
    page = PAGES["docs/own-data.md"]
    for reason in REASONS[1:]:
        side = {"length": "target", "negative": "weight", **dict.fromkeys(OF_TIME, "time")}.get(reason, "source")
        assert f"`{side}_{reason}`" in page
    code = "".join(path.read_text() for path in ROOT.glob("tasks/storage/**/*.py"))
    of_formats = set(re.findall(r'Reject\([^"]*, "(\w+)"', code))
    of_formats |= set(re.findall(r'return "(\w+)"', (ROOT / "tasks/storage/readers/json_lines.py").read_text()))
    assert len(of_formats) > 3
    assert all(f"`{reason}`" in page for reason in of_formats), of_formats


def test_each_column_that_predictions_write_is_in_the_docs():
    for name in OWN_COLUMNS:
        assert f"| `{name}` |" in PAGES["docs/batch-prediction.md"]


def test_the_table_of_scores_is_that_of_the_metrics():
    rows = [f"| `{metric.name}` | {metric.kind} | {metric.meaning} |" for metric in METRICS]
    section = PAGES["docs/fields.md"].split("## Scores\n")[1].split("\n## ")[0]
    assert re.findall(r"^\| `.*$", section, re.MULTILINE) == rows


def test_every_setting_that_the_pages_name_exists():
    known = {f"{prefix}{name}" for prefix, _, model in SECTIONS.values() for name in model.model_fields}
    for page in (text for name, text in PAGES.items() if name != "docs/fields.md"):  # of which another test knows
        for name in re.findall(r"`((?:data|model|training|decoding|evaluation)\.\w+)", page):
            if not name.endswith((".toml", ".md", ".json")):
                assert name in known, name
