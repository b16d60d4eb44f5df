"""JSON files that somebody else may have changed are read, or refused in one line."""

import json
from typing import Any

import pytest
from typing_extensions import TypedDict

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.files import json_files
from tasks.storage.files.json_files import load_json, read_json, write_json

DEEP = b"[" * 50_000 + b"]" * 50_000
NO_JSON = {
    "nested 50,000 deep": (DEEP, "nested too deep"),
    "objects nested 50,000 deep": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "nested too deep"),
    "not UTF-8": (b'{"rows": "\xff"}', "not UTF-8"),
    "cut short": (b'{"rows": 1', "JSONDecodeError"),
    "empty": (b"", "JSONDecodeError"),
    "NaN": (b'{"rows": NaN}', "NaN, which is not a number in JSON"),
    "infinite": (b'{"rows": -Infinity}', "-Infinity, which is not a number in JSON"),
    "an integer of 5,000 digits": (b'{"rows": ' + b"1" * 5_000 + b"}", "digits"),
    "a string": (b'"rows"', "it is 'rows': Input should be a valid dictionary"),
    "a list": (b"[1]", "it is a list"),
    "null": (b"null", "it is 'None'"),
    "a string for a number": (b'{"rows": "12"}', "'rows' is '12': Input should be a valid integer"),
    "a number that is none": (b'{"rows": true}', "'rows' is 'True'"),
    "a large integer": (b'{"rows": {"a": 1}}', "'rows' is an object"),
    "a key less": (b"{}", "'rows' is missing"),
    "words that act": (b'{"rows": "\\u001b[2J\\n\\u202e"}', r"'rows' is '\x1b[2J\n\u202e'"),
}


class _Counted(TypedDict):
    rows: int


@pytest.mark.parametrize(("content", "said"), NO_JSON.values(), ids=NO_JSON)
def test_what_is_not_as_it_was_written_is_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / "counts.json"
    path.write_bytes(content)
    with pytest.raises(ArtifactError) as error:
        read_json(path, _Counted)
    assert str(error.value).startswith(f"{path} cannot be read: ")
    assert said in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 500


def test_a_file_that_is_missing_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="No such file"):
        read_json(tmp_path / "counts.json", dict[str, Any])


def test_a_file_that_is_too_large_is_refused_before_it_is_parsed(tmp_path, monkeypatch):
    monkeypatch.setattr(json_files, "JSON_BYTES", 2**20)
    (tmp_path / "large.json").write_text('{"rows": ' + " " * 2**20 + "1}")
    with pytest.raises(ArtifactError, match="larger than 1 MiB"):
        read_json(tmp_path / "large.json", _Counted)


def test_keys_beside_those_that_are_asked_for_are_kept(tmp_path):
    write_json(tmp_path / "counts.json", {"rows": 3, "more": [1]})
    assert read_json(tmp_path / "counts.json", _Counted) == {"rows": 3, "more": [1]}


def test_what_is_no_number_of_json_is_never_written(tmp_path):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "counts.json", {"rows": float("nan")})


def test_what_is_written_is_read_again(tmp_path):
    content = {"a": [1, 2.5, None, True, "ä\u2028"]}
    write_json(tmp_path / "any.json", content)
    assert load_json(tmp_path / "any.json") == content == json.loads((tmp_path / "any.json").read_text())
