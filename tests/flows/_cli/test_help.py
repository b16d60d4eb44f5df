"""Help as a person reads it: a line of usage, groups, defaults, units, an example, whatever the width."""

import re
import shlex

import pytest
from pydantic import BaseModel

from flows.__main__ import all_commands
from flows._cli.command import run_command
from flows._cli.help import flags_of, help_text
from flows._cli.settings import BATCH, read_settings

COMMANDS = {command.name: command for command in all_commands()}
MOST_LINES = 55
NEEDED = {
    "batch_predict": ["inbox", "--output", "predictions"],
    "nightly": ["--predict.inputs", "inbox", "--predict.output", "predictions"],
    "sweep": ["--sweep.space", '{"model.units": [8]}'],
}
EXAMPLES_OF_SECTIONS = {
    "train_and_eval": 7,
    "generate_datasets": 7,
    "nightly": 10,
    "batch_predict": 2,
    "predict_lines": 1,
    "sweep": 7,
}


@pytest.fixture(params=COMMANDS)
def command(request):
    """Each command."""
    return COMMANDS[request.param]


@pytest.fixture
def page(capsys, monkeypatch):
    """What `--help-all` prints at a terminal of some columns."""

    def print_help(command, columns=80, flag="--help-all"):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert run_command(command, [flag]) == 0
        return capsys.readouterr().out

    return print_help


def test_usage_is_one_line_and_names_what_is_required(page):
    first, second, *_ = page(COMMANDS["batch_predict"]).splitlines()
    assert first == "usage: python -m flows.batch_predict INPUT... --output DIR [--KEY VALUE ...]"
    assert second == ""
    needed = "--predict.inputs FILE --predict.output DIR"
    assert page(COMMANDS["nightly"], 120).startswith(f"usage: python -m flows.nightly {needed} [--KEY VALUE ...]\n\n")


@pytest.mark.parametrize(("name", "words"), [("import_bundle", "FOLDER"), ("promotions", "[NAME]")])
def test_usage_says_which_words_a_command_takes(page, name, words):
    assert page(COMMANDS[name]).startswith(f"usage: python -m flows.{name} {words} [--KEY VALUE ...]\n\n")


def test_every_page_has_the_same_parts_in_the_same_order(command, page):
    said = page(command)
    parts = [rf"usage: {command.program} ", "\n\nexample:\n  python", "\n\noptions:\n", f"\n{command.tree.title}:\n"]
    ends = ["\nKeys", "environment variables too", "Flags win", "docs/settings.md lists all"]
    places = [said.find(part) for part in [*parts, *ends]]
    assert -1 not in places
    assert places == sorted(places)
    options = re.findall(r"^  (?:-h, )?--([\w-]+)", said.split("\noptions:\n")[1].split("\n\n")[0], re.MULTILINE)
    more = ["help-all"] if command.first else []
    assert options[: 5 + len(more)] == ["help", *more, "config", "store", "summary", "quiet"]


def test_help_is_a_screen_of_ten_settings_where_there_are_more(command, page):
    short, whole = page(command, flag="--help"), page(command)
    assert len(short.splitlines()) <= MOST_LINES
    if not command.first:
        assert short == whole
        return
    listed = short.split("\nthe settings that matter most:\n")[1].split("\n\nhelp:\n")[0]
    assert len(re.findall(r"^  (--|[A-Z])", listed, re.MULTILINE)) == len(command.first) == 10
    assert "--help-all lists all settings" in short
    entries = re.findall(r"^  (?:--|[A-Z]).*(?:\n {8}.*)*", listed, re.MULTILINE)
    told = " ".join(whole.split())
    assert [entry for entry in entries if " ".join(entry.split()) not in told] == []


def test_every_setting_has_its_flag_with_dashes_and_what_it_means(command, page):
    said = " ".join(page(command).split())
    for model in (command.tree.model, command.options):
        for name, _ in flags_of(model, command.tree.word):
            if name != "data.kind":
                assert re.search(rf" --{name.replace('_', '-')}[ ,]", said), name
    assert ("time steps (6; addition 7)" in said) is (
        "[data]" in said and command.tree not in (BATCH, COMMANDS["predict_lines"].tree)
    )


def test_settings_stand_in_the_group_of_their_section(page):
    said = page(COMMANDS["train_and_eval"])
    groups = re.findall(r"^(\w+.*):$", said, re.MULTILINE)
    assert [group for group in groups if group != "example"] == [
        "options", "experiment", "data (synthetic)", "data (files)", "model", "training", "decoding", "evaluation",
        "export", "checks",
    ]  # fmt: skip
    model = said.split("\nmodel:\n")[1].split("\ntraining:\n")[0]
    assert set(re.findall(r"^  --(\w+)\.", model, re.MULTILINE)) == {"model"}
    nested = re.findall(r"^(predict.*):$", page(COMMANDS["nightly"]), re.MULTILINE)
    assert sorted(nested) == ["predict", "predict.checks", "predict.decoding", "predict.runner"]


def test_no_default_is_none_and_no_value_is_named_by_its_type_in_python(command, page):
    said = page(command)
    assert not re.search(r"\b(None|int|str|Path|float|tuple|bool|True|False)\b", said)


def test_each_example_is_accepted(command, page):
    name = command.name
    said = page(command, columns=200)
    (whole,) = re.findall(rf"^  python -m flows.{name} (.*)$", said, re.MULTILINE)
    partly = re.findall(r"^    (--\w.*)$", said, re.MULTILINE)
    assert len(partly) == EXAMPLES_OF_SECTIONS.get(name, 0)
    for flags in (shlex.split(whole), *([*NEEDED.get(name, []), *example.split()] for example in partly)):
        assert read_settings(command.tree, command.options, flags, name, "")


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_the_page_is_as_wide_as_the_terminal(page, columns):
    lines = [line for line in page(COMMANDS["train_and_eval"], columns).splitlines() if "example" not in line]
    filled = [line for line in lines if not re.match(r" {2,4}(--|python)|usage:", line)]
    assert columns - 15 < max(map(len, filled)) <= columns


def test_switches_that_are_on_are_shown_with_what_turns_them_off(page):
    said = " ".join(page(COMMANDS["train_and_eval"]).split())
    assert (
        "--data.header, --no-data.header whether the first line of a .csv or .tsv names the columns (default: yes)"
        in said
    )
    assert "--no-refresh" not in said


def test_a_word_after_two_dashes_is_no_request_for_help(capsys, tmp_path):
    flags = ["--output", str(tmp_path / "out"), "--store", str(tmp_path / "store"), "--", "--help"]
    assert run_command(COMMANDS["batch_predict"], flags) == 2
    assert "usage:" not in capsys.readouterr().out


def test_a_percent_sign_in_a_description_is_shown_as_it_is():
    class Settings(BaseModel):
        """Settings."""

        rate: float = 5.0

    Settings.model_fields["rate"].description = "in % of all"
    assert "--rate X" in help_text("program", "", Settings, BaseModel)
    assert "in % of all (default: 5.0)" in help_text("program", "", Settings, BaseModel)
