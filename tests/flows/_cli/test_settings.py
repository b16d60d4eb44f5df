"""A file of settings that somebody else wrote is read, or refused in one line and at once."""

import pytest

from flows._cli.commands.batch_predict import COMMAND as BATCH
from flows._cli.commands.predict_lines import COMMAND as LINES
from flows._cli.deployments import _read
from flows._cli.settings import read_settings, read_toml
from tasks.seq2seq.errors import SettingsError

HOSTILE = {
    "nested deep": "a = " + "[" * 50_000 + "]" * 50_000,
    "inline tables nested deep": "a = " + "{a=" * 50_000 + "1" + "}" * 50_000,
    "one key of many parts": ".".join("a" * 400_000) + " = 1",
    "a table of many parts": "[" + ".".join("a" * 400_000) + "]",
    "large": "a = 1 #" + " " * 2**20,
    "no text": b"a = \xff",
    "a number of many digits": "a = " + "9" * 5_000,
    "a date that is none": "a = 2026-99-99",
    "words that act": 'a = "\x1b[2J"',
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_of_settings_is_refused_in_one_line(tmp_path, content):
    path = tmp_path / "a.toml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SettingsError) as error:
        read_toml(path)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500


def test_a_file_without_an_end_is_not_read_to_it():
    with pytest.raises(SettingsError, match="more than 1,048,576 bytes"):
        read_toml_of_zeros()


def read_toml_of_zeros():
    """A device gives zeros for ever."""
    from pathlib import Path

    read_toml(Path("/dev/zero"))


LAUGHS = "a0: &a0 [lol, lol]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
MERGES = "a0: &a0 {b: 1}\n" + "".join(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 60))
DEPLOYMENTS = {
    "deep": ("[" * 50_000, "nested too deep"),
    "keys": ("a: " * 50_000 + "1", "is no YAML"),
    "large": (" " * 2**21, "more than 1,048,576 bytes"),
    "aliases that double": (LAUGHS, "more than 100,000 values"),
    "merges that double": (MERGES, "more than 100,000 values"),
    "an alias of itself": ("a: &a [*a]", "what begins in line 1 has an alias of itself in it"),
    "Python": ("a: !!python/object/apply:os.system [touch canary]", "is no YAML"),
    "a date that is none": ("a: 2026-99-99", "is no YAML"),
    "a number of many digits": ("a: " + "9" * 5_000, "is no YAML"),
    "a list as a key": ("? [a]\n: b", "is no YAML"),
}


@pytest.mark.parametrize(("content", "said"), DEPLOYMENTS.values(), ids=DEPLOYMENTS)
def test_a_hostile_file_of_deployments_is_refused_and_nothing_is_executed(tmp_path, content, said, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "prefect.yaml"
    path.write_text(content)
    with pytest.raises(SettingsError, match=said):
        _read(path)
    assert [*tmp_path.iterdir()] == [path]


def test_aliases_and_merges_of_a_file_of_deployments_are_what_they_stand_for(tmp_path):
    path = tmp_path / "prefect.yaml"
    path.write_text("deployments: [&one {name: a}, *one]\nc:\n  <<: {d: 1}\n  e: 2\n")
    assert _read(path) == {"deployments": [{"name": "a"}, {"name": "a"}], "c": {"d": 1, "e": 2}}


@pytest.mark.parametrize("word", ["a,b.csv", "[a].csv", "[1, 2]", '{"a": 1}', '"quoted"', " a ", "null", "1", ""])
def test_a_word_of_the_command_line_is_taken_as_it_is(tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    settings, _ = read_settings(LINES.tree, LINES.options, ["--model", "m", word, "more"], LINES.program, "")
    assert (settings.model, settings.lines) == ("m", (word, "more"))
    batch, _ = read_settings(BATCH.tree, BATCH.options, [f"a{word}", "--output", "out"], BATCH.program, "")
    assert batch.inputs == (tmp_path / f"a{word}",)


def test_what_stands_behind_two_dashes_is_a_word_whatever_it_begins_with():
    settings, options = read_settings(
        LINES.tree, LINES.options, ["--quiet", "--", "-1 2", "--model"], LINES.program, ""
    )
    assert (settings.lines, settings.model, options.quiet) == (("-1 2", "--model"), None, True)
