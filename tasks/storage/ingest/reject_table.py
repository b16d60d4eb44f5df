"""Rejected rows as a person reads them: a small table of the first, and how many have which reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tasks.seq2seq.shown import shown as harmless
from tasks.storage.readers.blocks import Reject

SHOWN_ROWS = 5  # of a table
_WIDTH = 120  # of a line, the content cut to fit
_LEAST_CONTENT = 30
_GAP = "  "


def reject_table(shown: Sequence[Reject], n_rejected: int) -> list[str]:
    """Lines of a table: the file's path below the input, the row, the reason, and the content cut to fit.

    Args:
        shown: the first of the rejected rows.
        n_rejected: how many there are.
    """
    shown = shown[:SHOWN_ROWS]
    rows = [("file", "row", "reason"), *((harmless(one.file), str(one.row), one.reason) for one in shown)]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    room = max(_LEAST_CONTENT, _WIDTH - sum(widths) - 4 * len(_GAP))
    contents = ["content", *(cut(one.content, room) for one in shown)]
    lines = [
        f"{_GAP}{file:<{widths[0]}}{_GAP}{row:>{widths[1]}}{_GAP}{reason:<{widths[2]}}{_GAP}{content}"
        for (file, row, reason), content in zip(rows, contents, strict=True)
    ]
    more = n_rejected - len(shown)
    return [*lines, *([f"{_GAP}... and {more:,} more"] if more > 0 else [])]


def count_reasons(reasons: Mapping[str, int]) -> str:
    """The reasons with their counts, the commonest first: `source_type 60, source_null 2`."""
    return ", ".join(f"{name} {n:,}" for name, n in sorted(reasons.items(), key=lambda item: (-item[1], item[0])))


def cut(text: str, width: int) -> str:
    """The text in one line of at most so many characters; `...` stands for what was cut."""
    line = harmless(" ".join(text[: 4 * width].split()))
    return line if len(line) <= width and len(text) <= 4 * width else f"{line[: width - 3]}..."
