"""A file of settings that somebody else wrote is read, or refused in one line and at once."""

import pytest

from flows._cli.deployments import _read
from flows._cli.settings import read_toml
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
DEPLOYMENTS = {
    "deep": ("[" * 50_000, "nested too deep"),
    "keys": ("a: " * 50_000 + "1", "is no YAML"),
    "large": (" " * 2**21, "more than 1,048,576 bytes"),
    "aliases that double": (LAUGHS, r"the alias \*a0 in line 2"),
    "an alias": ("deployments: [&one {name: a}, *one]", r"the alias \*one in line 1"),
    "a merge": ("a: &a {b: 1}\nc:\n  <<: *a\n", r"the alias \*a in line 3"),
    "an alias of itself": ("a: &a [*a]", r"the alias \*a"),
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
