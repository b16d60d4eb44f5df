"""What the page of a model says of its data: words for the fields of `DatasetFacts` and of `account.json`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.reporting.wording import flatten, write_count, write_value
from tasks.storage.artifacts.dataset import DatasetFacts, SideFacts

_SECTIONS = {
    "read": "rows read",
    "rejected": "rows rejected",
    "reasons": "rejected because",
    "splits": "pairs",
    "repeats": "repeated",
    "unknown": "with unknown symbols",
    "windows_by_split": "windows",
}
_FIELDS = {
    "repeats.duplicates": "pairs that are there more than once",
    "repeats.conflicts": "sources with two targets or more",
    "repeats.validation_overlap": "validation sources that training has too",
    "repeats.test_overlap": "test sources that training has too",
    "history_only": "rows that are only history",
    "files_of_other_formats": "files of other formats, left out",
    "held_back": "held back for comparisons of models",
}


def data_rows(facts: DatasetFacts, account: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Names and values, as a person reads them."""
    yield "made by" if facts.kind == "synthetic" else "from", "a generator" if facts.kind == "synthetic" else "files"
    parts = {
        "for training": facts.train_rows,
        "for validation": facts.validation_rows,
        "held out": facts.evaluation_rows,
    }
    yield "split", ", ".join(f"{n:,} {words}" for words, n in parts.items())
    yield "source", _side(facts.source)
    yield "target", _side(facts.target)
    yield "lengths", "differ from pair to pair" if facts.masked else "the same in all pairs"
    if facts.relative:
        yield "values", "differences from the last step of the source"
    for name, value in flatten(account):
        if value not in ([], {}):
            yield _name(name), _value(value)


def _side(side: SideFacts) -> str:
    what = f"{side.encoding}, {write_count(side.length, 'step')} at most"
    if side.features:
        return f"{what}, {write_count(side.features, 'feature')} a step"
    return f"{what}, {side.vocabulary:,} symbols known"


def _name(name: str) -> str:
    section, _, field = name.partition(".")
    if name in _FIELDS or not field:
        return _FIELDS.get(name, _SECTIONS.get(name, name.replace("_", " ")))
    return f"{_SECTIONS.get(section, section.replace('_', ' '))}: {field.replace('_', ' ')}"


def _value(value: Any) -> str:  # noqa: ANN401 - any value of JSON
    if isinstance(value, list) and value and all(isinstance(one, Mapping) for one in value):
        return "; ".join(", ".join(f"{_name(key)} {write_value(of)}" for key, of in flatten(one)) for one in value)
    return write_value(value)
