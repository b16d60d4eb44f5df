"""All commands are asked in one way, and what is refused is answered before Prefect is imported."""

import json
import os
import subprocess
import sys

import pytest

from flows.__main__ import all_commands
from tests.conftest import ROOT

pytestmark = pytest.mark.seconds

COMMANDS = {command.name: command for command in all_commands()}
# By default one that runs flows, one that serves and one that only reads; the others have their parts from the same table.
EACH = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("train_and_eval", "serve", "promotions") else pytest.mark.exhaustive)
        for name in COMMANDS
    ],
)
NEEDED = {
    "batch_predict": ["inbox", "--output", "out"],
    "nightly": ["--predict.inputs", "a.csv", "--predict.output", "out"],
    "sweep": ["--sweep.space", '{"model.units": [8]}'],
    "import_bundle": ["elsewhere"],
    "store": ["list"],
}
# Runs a command as `python -m` does, and tells its exit code, what it loaded, and the processes that it left.
WATCHED = """
import json, runpy, sys, psutil
name, *flags = sys.argv[1:]
sys.argv = [name, *flags]
try:
    runpy.run_module(f"flows.{name}", run_name="__main__")
except SystemExit as ended:
    heavy = {"prefect", "tensorflow", "keras", "pyarrow.dataset", "pandas", "matplotlib"}
    left = len(psutil.Process().children())
    print(json.dumps({"code": ended.code, "loaded": sorted(heavy & set(sys.modules)), "left": left}))
"""


@pytest.fixture
def ask(tmp_path):
    """Asks a command in a process of its own, with a Prefect server of its own; gives what it told, and what it said."""

    def ask(name, *flags, **environment):
        kept = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "SEQ2SEQ_"))}
        done = subprocess.run(
            [sys.executable, "-c", WATCHED, name, *map(str, flags)],
            cwd=tmp_path,
            env={**kept, "PYTHONPATH": str(ROOT), "PREFECT_HOME": str(tmp_path / "home"), **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        *said, told = done.stdout.splitlines()
        return json.loads(told), "\n".join([*said, done.stderr])

    return ask


@EACH
def test_a_typo_is_refused_with_the_nearest_flag_before_prefect_is_imported(name, ask):
    told, said = ask(name, "--sumary", "x.json")
    assert told == {"code": 2, "loaded": [], "left": 0}
    assert said.splitlines() == [
        "refused: --sumary is not a flag, did you mean '--summary'?; --help-all lists all flags"
    ]


def test_a_flag_of_former_days_is_refused_with_its_name_of_today(ask):
    told, said = ask("batch_predict", *NEEDED["batch_predict"], "--plan")
    assert told["code"] == 2
    assert said.startswith("refused: --plan is not a flag; it is now --dry-run")


@EACH
def test_help_is_given_before_prefect_is_imported(name, ask):
    told, said = ask(name, "--help")
    assert told == {"code": 0, "loaded": [], "left": 0}
    assert said.startswith(f"usage: python -m flows.{name} ")


@EACH
def test_a_setting_is_refused_before_prefect_is_imported(name, ask, tmp_path):
    (tmp_path / "settings.toml").write_text("colour = 1")
    told, said = ask(name, *NEEDED.get(name, []), "--config", "settings.toml")
    assert told == {"code": 2, "loaded": [], "left": 0}
    assert "refused: colour is not a setting" in said


@pytest.mark.parametrize(
    ("name", "flags", "text"),
    [
        ("train_and_eval", ["--data.train", "none.csv"], "none.csv does not exist"),
        ("generate_datasets", ["--data.train", "none.csv"], "none.csv does not exist"),
        ("nightly", [*NEEDED["nightly"], "--training.tensorboard", "file/logs"], "training.tensorboard"),
        ("batch_predict", [*NEEDED["batch_predict"], "--store", "none"], "no model is promoted in"),
        ("import_bundle", ["elsewhere", "--store", "none"], "elsewhere"),
        ("promotions", ["g2p", "--store", "none"], "no model was ever decided upon as 'g2p'"),
        ("store", ["why", "abcdef", "--store", "none"], "no artifact in"),
        ("serve", ["--store", "file/store"], "cannot be written"),
    ],
)
def test_input_is_refused_before_prefect_is_imported(name, flags, text, ask, tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "a.csv").write_text("source\n1\n")
    told, said = ask(name, *flags)
    assert (told["code"], told["left"]) == (2, 0)
    assert "prefect" not in told["loaded"]
    assert "refused: " in said
    assert text in said


@EACH
def test_the_store_of_the_environment_is_the_one_that_is_used(name, ask, tmp_path):
    """A file lies in its place, which every command says that writes to it, and others say what it holds."""
    (tmp_path / "store").write_text("")
    (tmp_path / "a.csv").write_text("source\n1\n")
    told, said = ask(name, *NEEDED.get(name, []), SEQ2SEQ_STORE=str(tmp_path / "store"))
    assert told["code"] == (0 if name in ("promotions", "store") else 2)
    assert str(tmp_path / "store") in said


@EACH
def test_the_store_of_a_file_of_settings_is_used_likewise_relative_to_it(name, ask, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "store").write_text("")
    (tmp_path / "sub" / "settings.toml").write_text('store = "store"\nquiet = true\n')
    (tmp_path / "a.csv").write_text("source\n1\n")
    told, said = ask(name, *NEEDED.get(name, []), "--config", "sub/settings.toml", "--no-quiet")
    assert told["code"] == (0 if name in ("promotions", "store") else 2)
    assert str(tmp_path / "sub" / "store") in said
    told, said = ask(
        name, *NEEDED.get(name, []), "--config", "sub/settings.toml", SEQ2SEQ_STORE=str(tmp_path / "a.csv")
    )
    assert str(tmp_path / "sub" / "store") not in said


def test_a_file_of_settings_names_no_other_and_its_options_are_checked(ask, tmp_path):
    for line, fault in (
        ('config = "other.toml"', "config is not a setting"),
        ("quiet = 5", "quiet: Input should be a valid boolean"),
    ):
        (tmp_path / "settings.toml").write_text(line)
        told, said = ask("promotions", "--config", "settings.toml")
        assert told["code"] == 2
        assert fault in said


@pytest.mark.parametrize(
    ("name", "flag"),
    [
        ("promotions", "--refresh"),
        ("promotions", "--verbose"),
        ("import_bundle", "--dry-run"),
        ("import_bundle", "--notify"),
        ("serve", "--refresh"),
        ("serve", "--notify"),
    ],
)
def test_an_option_that_a_command_has_no_use_for_is_refused(name, flag, ask):
    told, said = ask(name, *NEEDED.get(name, []), flag)
    assert told["code"] == 2
    assert "is not a flag" in said


def test_words_come_from_the_command_line_the_environment_or_a_file(ask, tmp_path):
    (tmp_path / "settings.toml").write_text('name = "g2p"')
    for flags, environment in (
        (["g2p"], {}),
        ([], {"SEQ2SEQ_NAME": "g2p"}),
        (["--config", "settings.toml"], {}),
        (["g2p"], {"SEQ2SEQ_NAME": "other"}),
    ):
        _, said = ask("promotions", *flags, "--store", "none", **environment)
        assert "as 'g2p'" in said
    _, said = ask("promotions", "g2p", "dates")
    assert "expected one NAME, but 2 were given: g2p, dates" in said


@pytest.mark.parametrize("words", [("--help",), ("--data.train", "pairs.csv", "--dry-run")])
def test_a_reader_that_leaves_early_ends_the_command_without_a_traceback(words, tmp_path):
    """As `head` does."""
    (tmp_path / "pairs.csv").write_text("source,target\n" + "".join(f"{i} {i},{i}\n" for i in range(300)))
    words = [str(tmp_path / word) if word == "pairs.csv" else word for word in words]
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "flows.train_and_eval", *words, "--store", str(tmp_path / "store")]
    ran = subprocess.run(command, cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=240, check=False)
    os.close(writing)
    assert ran.returncode == 141
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr
