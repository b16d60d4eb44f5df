"""What has been found unclear or clipped is not written again: the list that a change of words adds to."""

import re

import pytest

from tests.conftest import ROOT

# Each with what an English engineer writes in its place.
INSTEAD = {
    r"stands? there (again|twice)": "appears more than once, repeats an earlier one",
    r"stands? there\b": "is there, lies there",
    r"(?<!there )\bis no (artifact|command|failure|flag|folder|key|name|number|object|parameter|path|score|setting|step|token|vector|zone)\b": (
        "is not a ..."
    ),
    r"\bis no UTF-8\b": "is not UTF-8",
    r"in the place of\b": "in place of, instead of",
    r"\bby whom(so)?ever\b": "by anybody, by any process",
    r", but for that\b": ", except that",
    r"a flag that there is not\b": "a flag that does not exist",
    r"takes? the colou?rs away": "removes the colours",
    r"next to its own columns": "keeps its own columns",
    r"held out to stop in time": "kept to validate on",
    r"over the mean weight of": "divided by the mean weight of",
    r"lines are no rows": "are not rows",
}
SOURCES = (
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("docs/*.ipynb"),
    *ROOT.glob("data/**/README.md"),
    *ROOT.glob("flows/**/*.py"),
    *ROOT.glob("tasks/**/*.py"),
    *ROOT.glob("tasks/**/*.jinja"),
)


@pytest.mark.parametrize("words", INSTEAD)
def test_no_page_message_or_comment_says_it_so(words):
    """Line breaks are spaces, so that a sentence that is filled anew is the same."""
    found = [path for path in SOURCES if re.search(words, " ".join(path.read_text(encoding="utf-8").split()))]
    assert found == [], f"write: {INSTEAD[words]}"


def test_the_list_finds_what_it_is_about():
    samples = [
        "rows that stand there again",
        "links in the place of folders",
        "--x is no flag",
        "blank lines are no rows",
    ]
    assert all(any(re.search(words, sample) for words in INSTEAD) for sample in samples)
