"""`python -m flows` lists the commands."""

import pytest

from flows.__main__ import all_commands, main
from tests.conftest import ROOT

SCHEDULED = {"clean_up"}  # by hand it is `python -m flows.store prune`
COMMANDS = {path.stem for path in ROOT.glob("flows/[!_]*.py")} - SCHEDULED


def test_every_command_is_listed_with_what_it_is_for(capsys):
    assert main([]) == 0
    said = capsys.readouterr().out
    for name in COMMANDS:
        (line,) = [line for line in said.splitlines() if line.startswith(f"python -m flows.{name} ")]
        assert len(line.split()) > 8
    assert main(["--help"]) == 0
    assert capsys.readouterr().out == said


def test_every_command_is_a_module_of_flows_and_every_such_module_is_a_command():
    assert {command.name for command in all_commands()} == COMMANDS


@pytest.mark.parametrize(
    ("word", "text"),
    [("nigtly", "did you mean 'nightly'?"), ("train-and-eval", "is called as python -m flows.train_and_eval")],
)
def test_a_word_is_refused_with_the_command_that_is_meant(word, text, capsys):
    assert main([word]) == 2
    assert text in capsys.readouterr().err
