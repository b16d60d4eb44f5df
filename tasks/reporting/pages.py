"""What all pages share: text from outside is only read on them."""

from __future__ import annotations

from pathlib import Path

import jinja2

from tasks.seq2seq.shown import shown, shown_lines

# Templates that others include: named here, so that a change of them makes pages anew.
SHARED = ("macros.html.jinja", "style.css.jinja")


def html_pages() -> jinja2.Environment:
    """The templates of this folder, in which nothing that is filled in is mark-up or acts on the page."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_only_read,
    )


def _only_read(value: object) -> object:
    return shown_lines(value) if type(value) is str else value


def cell(text: str) -> str:
    """Text in a cell of a table, in which it is no mark-up: neither the end of the cell, nor code, a link or a tag."""
    line = shown(" ".join(text.splitlines()))
    return line.replace("|", "\\|").replace("`", "'").replace("](", "] (").replace("<", "\\<")
