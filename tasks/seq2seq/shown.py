r"""How text from outside is shown: names of files and columns, values of cells, messages of libraries.

What would act on a terminal or a page instead of being read on it is written as Python would write it: `\x1b`, `\n`,
`\u202e`. All that is printed, logged, raised or put on a page goes through here.
"""

from __future__ import annotations

import re

# Control characters; marks that turn the direction of writing around; the ends of lines and paragraphs of Unicode;
# halves of surrogate pairs, which no encoding has; marks of annotations, of byte order, and invisible tags.
_ACTING = (
    "\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f"
)
_IN_LINES = re.compile(f"[{_ACTING}]")
_IN_A_LINE = re.compile(f"[{_ACTING}\\t\\n]")


def shown(text: object, most: int | None = None) -> str:
    r"""Text in one line that can only be read.

    Args:
        text: what is shown, which need not be text yet.
        most: how many characters of it at most; what is cut is marked by `...`.
    """
    return _IN_A_LINE.sub(_escaped, _cut(str(text), most))


def shown_lines(text: object) -> str:
    """The same of text that is meant to have lines: line ends and tabs stay."""
    return _IN_LINES.sub(_escaped, str(text))


def _cut(text: str, most: int | None) -> str:
    return text if most is None or len(text) <= most else f"{text[:most]}..."


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
