"""The page about users' own data: the file that it has refused is refused as it says."""

import re
import shlex

import pytest

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.ingest.look import FIRST_ROWS, WHOLE_BYTES
from tasks.storage.ingest.pairs import ingest_pairs
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "own-data.md").read_text()
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```text\n(.*?)```", PAGE, re.DOTALL))
REFUSED = re.findall(r"<!-- refused: (.*?) -->\n```text\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize(("words", "shown"), REFUSED)
def test_a_refusal_that_is_shown_is_what_is_said(words, shown, tmp_path):
    name, *flags = shlex.split(words)
    (tmp_path / name).write_text(FILES[name])
    settings = {flag.removeprefix("--data."): value for flag, value in zip(flags[::2], flags[1::2], strict=True)}
    with pytest.raises(DataError) as error:
        ingest_pairs(FilesData(train=tmp_path / name, **settings), 0, tmp_path)
    assert str(error.value).replace(f"{tmp_path}/", "") == shown.rstrip("\n")


def test_the_page_shows_a_refusal_and_says_how_much_is_looked_at():
    assert len(REFUSED) == 1
    assert f"more than {WHOLE_BYTES // 2**20} MiB" in PAGE
    assert f"first {FIRST_ROWS:,} rows" in PAGE
