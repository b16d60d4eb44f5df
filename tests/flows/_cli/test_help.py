"""`--help` as a person reads it: a line of usage, groups, defaults, units, an example, whatever the width."""

import re

import pytest
from pydantic import BaseModel

from flows._cli.help import help_text
from flows._cli.settings import BATCH, EXPERIMENT, NIGHTLY, _flags, read_settings
from flows.batch_predict import BatchPredictOptions
from flows.batch_predict import main as batch_predict
from flows.generate_datasets import GenerateDatasetsOptions
from flows.generate_datasets import main as generate_datasets
from flows.nightly import NightlyOptions
from flows.nightly import main as nightly
from flows.train_and_eval import TrainAndEvalOptions
from flows.train_and_eval import main as train_and_eval

COMMANDS = {
    "train_and_eval": (train_and_eval, EXPERIMENT, TrainAndEvalOptions),
    "generate_datasets": (generate_datasets, EXPERIMENT, GenerateDatasetsOptions),
    "batch_predict": (batch_predict, BATCH, BatchPredictOptions),
    "nightly": (nightly, NIGHTLY, NightlyOptions),
}


PREDICTED = ["--predict.inputs", "inbox", "--predict.output", "predictions"]


@pytest.fixture(params=COMMANDS)
def command(request):
    """A command's name, main function, tree and options."""
    return request.param, *COMMANDS[request.param]


@pytest.fixture
def page(capsys, monkeypatch):
    """What `--help` prints at a terminal of some columns."""

    def print_help(main, columns=80):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert main(["--help"]) == 0
        return capsys.readouterr().out

    return print_help


def test_usage_is_one_line_and_names_what_is_required(page):
    first, second, *_ = page(batch_predict).splitlines()
    assert first == "usage: python -m flows.batch_predict INPUT... --output DIR [--KEY VALUE ...]"
    assert second == ""
    needed = "--predict.inputs FILE --predict.output DIR"
    assert page(nightly, 120).startswith(f"usage: python -m flows.nightly {needed} [--KEY VALUE ...]\n\n")


def test_every_setting_has_its_flag_with_dashes_and_what_it_means(command, page):
    _, main, tree, options = command
    said = " ".join(page(main).split())
    for model in (tree.model, options):
        for name, _ in _flags(model):
            if name != "data.kind":
                assert re.search(rf" --{name.replace('_', '-')}[ ,]", said), name
    assert "time steps (6; addition 7)" in said or tree is BATCH


def test_settings_stand_in_the_group_of_their_section(page):
    said = page(train_and_eval)
    groups = re.findall(r"^(\w+.*):$", said, re.MULTILINE)
    assert [group for group in groups if group != "example"] == [
        "options", "experiment", "data (synthetic)", "data (files)", "model", "training", "decoding", "evaluation",
        "export", "checks",
    ]  # fmt: skip
    model = said.split("\nmodel:\n")[1].split("\ntraining:\n")[0]
    assert set(re.findall(r"^  --(\w+)\.", model, re.MULTILINE)) == {"model"}
    nested = re.findall(r"^(predict.*):$", page(nightly), re.MULTILINE)
    assert sorted(nested) == ["predict", "predict.checks", "predict.decoding"]


def test_no_default_is_none_and_no_value_is_named_by_its_type_in_python(command, page):
    said = page(command[1])
    assert not re.search(r"\b(None|int|str|Path|float|tuple|bool|True|False)\b", said)


def test_each_example_is_accepted(command, page, tmp_path):
    name, main, tree, options = command
    said = page(main, columns=200)
    (whole,) = re.findall(rf"^  python -m flows.{name} (.*)$", said, re.MULTILINE)
    needed = {BATCH.model: ["inbox", "--output", str(tmp_path)], NIGHTLY.model: PREDICTED}.get(tree.model, [])
    partly = re.findall(r"^    (--\w.*)$", said, re.MULTILINE)
    assert len(partly) == {"batch_predict": 2, "nightly": 10}.get(name, 7)
    for flags in (whole.split(), *([*needed, *example.split()] for example in partly)):
        assert read_settings(tree, options, flags, name, "")


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_the_page_is_as_wide_as_the_terminal(page, columns):
    lines = [line for line in page(train_and_eval, columns).splitlines() if "example" not in line]
    filled = [line for line in lines if not re.match(r" {2,4}(--|python)|usage:", line)]
    assert columns - 15 < max(map(len, filled)) <= columns


def test_switches_that_are_on_are_shown_with_what_turns_them_off(page):
    said = " ".join(page(train_and_eval).split())
    assert (
        "--data.header, --no-data.header whether the first line of a .csv or .tsv names the columns (default: yes)"
        in said
    )
    assert "--no-refresh" not in said


def test_a_word_after_two_dashes_is_no_request_for_help(capsys, tmp_path):
    flags = ["--output", str(tmp_path / "out"), "--store", str(tmp_path / "store"), "--", "--help"]
    assert batch_predict(flags) == 2
    assert "usage:" not in capsys.readouterr().out


def test_a_percent_sign_in_a_description_is_shown_as_it_is():
    class Settings(BaseModel):
        """Settings."""

        rate: float = 5.0

    Settings.model_fields["rate"].description = "in % of all"
    assert "--rate X" in help_text("program", "", Settings, BaseModel)
    assert "in % of all (default: 5.0)" in help_text("program", "", Settings, BaseModel)
