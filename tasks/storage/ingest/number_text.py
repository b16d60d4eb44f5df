r"""Text that means numbers, by a grammar that is the same whatever file the text stands in.

    cell    a flat list, with or without brackets around it; or, of vectors, a list of flat lists in brackets
    list    numbers parted by white space, by commas or by semicolons (which white space may surround), all alike
    number  [+-] digits, of vectors with decimals and an exponent, or nan, inf, infinity; or a marker of a missing value

`1 2 3`, `1,2,3` and `[1, 2, 3]` are three steps, `[[1, 2], [3, 4]]` two of two features. All else is no sequence: what
brackets, commas and semicolons say is never dropped. A mark for decimals or thousands no longer parts numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.seq2seq.settings.dialect import Dialect
from tasks.storage.ingest.reasons import FINE, INTEGER_RANGE, NULL, NULL_INSIDE, TYPE, UNCLEAR_COMMA, Reasons

_SPACE = 32
_NULL = "null"  # JSON's
_SAFE_DIGITS = 18  # as many always fit into 64 bits


class Numbers(NamedTuple):
    """The numbers of a column's rows.

    Attributes:
        values: of all rows, one after another, `(total,)`; 0 where there is none.
        faults: why a value cannot be used, `(total,)`.
        lengths: the time steps of each row, `(n,)`.
        reasons: why a row cannot be used, whatever its values, `(n,)`.
        widths: how many values each step has, `(steps,)`; None where each has one.
    """

    values: NDArray[np.int64] | NDArray[np.float64]
    faults: Reasons
    lengths: NDArray[np.int64]
    reasons: Reasons
    widths: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class NumberText:
    """How text means numbers.

    Args:
        integers: whether only integers will do.
        decimal: the mark before decimals.
        thousands: the mark between groups of three digits; empty: none.
        missing: what stands for a missing value.
        clear_commas: whether a comma right before a digit, outside brackets, can be nothing but between numbers.
    """

    integers: bool
    decimal: str = "."
    thousands: str = ""
    missing: tuple[str, ...] = ()
    clear_commas: bool = True

    @classmethod
    def of(cls, dialect: Dialect, *, integers: bool) -> NumberText:
        """As a dialect says: in a file whose fields are delimited by another mark, commas may be before decimals."""
        return cls(
            integers=integers,
            decimal=dialect.decimal or ".",
            thousands=dialect.thousands or "",
            missing=dialect.missing,
            clear_commas=dialect.decimal is not None or dialect.delimiter in (None, ","),
        )

    def read(self, text: pa.Array, reasons: Reasons) -> Numbers:
        """The numbers of cells.

        Args:
            text: large_string without nulls, `(n,)`.
            reasons: why some rows cannot be used, `(n,)`, which this adds to.
        """
        if self.missing:
            is_missing = _mask(pc.is_in(pc.ascii_trim_whitespace(text), pa.array(self.missing, text.type)))
            reasons[is_missing & (reasons == FINE)] = NULL
            text = _without(text, is_missing)
        is_flat = _mask(pc.match_substring_regex(text, self._flat))
        is_nested = np.zeros(len(text), np.bool_)
        if not is_flat.all():
            if not self.integers:
                is_nested = ~is_flat & _mask(pc.match_substring_regex(text, self._nested))
            is_bad = ~(is_flat | is_nested)
            reasons[is_bad & (reasons == FINE)] = TYPE
            unclear = is_bad & self._has_unclear_commas(text)
            reasons[unclear & (reasons == TYPE)] = UNCLEAR_COMMA
            text = _without(text, is_bad)
        tokens, lengths = self._split(text)
        values, faults = self.values(tokens)
        if not is_nested.any():
            return Numbers(values, faults, lengths, reasons)
        return Numbers(values, faults, *self._steps(text, lengths, is_nested, reasons))

    def values(self, tokens: pa.Array) -> tuple[NDArray[np.int64] | NDArray[np.float64], Reasons]:
        """The numbers that words are, and why some are none; 0 stands in for theirs."""
        faults = np.full(len(tokens), FINE, np.int8)
        gone = _mask(pc.is_in(tokens, pa.array([_NULL, *self.missing], tokens.type)))
        sound = _mask(pc.match_substring_regex(tokens, f"^{self._number}$"))
        faults[~sound] = TYPE
        faults[gone] = NULL_INSIDE
        tokens = pc.ascii_ltrim(_without(tokens, faults != FINE, "0"), "+")  # Arrow reads no number with a plus
        if self.thousands:
            tokens = pc.replace_substring(tokens, self.thousands, "")
        if self.decimal != ".":
            tokens = pc.replace_substring(tokens, self.decimal, ".")
        if not self.integers:
            return tokens.cast(pa.float64()).to_numpy(zero_copy_only=False), faults
        large = _beyond_int64(tokens)
        if large is not None:
            faults[large & (faults == FINE)] = INTEGER_RANGE
            tokens = _without(tokens, large, "0")
        return tokens.cast(pa.int64()).to_numpy(zero_copy_only=False), faults

    @cached_property
    def missing_numbers(self) -> list[float]:
        """The markers of missing values that are numbers, which columns of numbers may hold as such."""
        markers = pa.array(self.missing, pa.large_string())
        values, faults = NumberText(self.integers, self.decimal, self.thousands).values(markers)
        return [float(value) for value in values[faults == FINE]]

    def _split(self, text: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
        """The words of lists, what parts them left out, and how many each has."""
        if self.thousands == " ":
            text = pc.replace_substring_regex(text, "([0-9]) ([0-9])", r"\1\2")
        offsets = np.frombuffer(text.buffers()[1], np.int64)[text.offset : text.offset + len(text) + 1]
        encoded = np.frombuffer(text.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
        buffers = [None, pa.py_buffer(offsets - offsets[0]), pa.py_buffer(self._spaces[encoded])]
        spaced = pc.ascii_trim_whitespace(pa.Array.from_buffers(pa.large_string(), len(text), buffers))
        parts = pc.ascii_split_whitespace(spaced)
        words, lengths = pc.list_flatten(parts), pc.list_value_length(parts).to_numpy(zero_copy_only=False)
        is_empty = _mask(pc.equal(spaced, ""))
        if is_empty.any():  # which Arrow splits into one empty word
            words = words.filter(pc.not_equal(words, ""))
            lengths = np.where(is_empty, 0, lengths)
        return words, lengths.astype(np.int64)

    def _steps(
        self, text: pa.Array, n_values: NDArray[np.int64], is_nested: NDArray[np.bool_], reasons: Reasons
    ) -> tuple[NDArray[np.int64], Reasons, NDArray[np.int64]]:
        """Steps of each row, reasons, and values of each step; where a row is flat, each of its values is a step."""
        nested = text.filter(pa.array(is_nested))
        n_inner = pc.count_substring(nested, "[").to_numpy(zero_copy_only=False).astype(np.int64) - 1
        lengths = n_values.copy()
        lengths[is_nested] = n_inner
        # `[[1, 2], [3]]` is parted into `[[1, 2`, `, [3`, and what follows the last two brackets.
        pieces = pc.split_pattern(nested, "]")
        _, n_words = self._split(pc.list_flatten(pieces).cast(pa.large_string()))
        is_step = np.ones(len(n_words), np.bool_)
        ends = np.cumsum(n_inner + 2)
        is_step[ends - 1] = is_step[ends - 2] = False
        widths = np.ones(int(lengths.sum()), np.int64)
        widths[np.repeat(is_nested, lengths)] = n_words[is_step]
        return lengths, reasons, widths

    @cached_property
    def _spaces(self) -> NDArray[np.uint8]:
        """For each byte what stands in its place once a cell is known to be a list."""
        table = np.arange(256, dtype=np.uint8)
        for mark in "\t\n\f\r,;[]":
            if mark not in (self.decimal, self.thousands):
                table[ord(mark)] = _SPACE
        return table

    @cached_property
    def _number(self) -> str:
        mark = re.escape(self.thousands)
        digits = f"(?:[0-9]{{1,3}}(?:{mark}[0-9]{{3}})+|[0-9]+)" if mark else "[0-9]+"
        if self.integers:
            return f"[+-]?{digits}"
        point, exponent = re.escape(self.decimal), "(?:[eE][+-]?[0-9]+)?"
        some = "*" if self.decimal == "." else "+"  # `1,` is a number before a comma
        return f"(?:[+-]?(?:{digits}(?:{point}[0-9]{some})?{exponent}|{point}[0-9]+{exponent}|(?i:nan|inf|infinity)))"

    @cached_property
    def _item(self) -> str:
        """A number, or what stands for one that is missing."""
        others = [re.escape(marker) for marker in (_NULL, *self.missing) if not re.search(r"[\s,;\[\]]", marker)]
        return f"(?:{self._number}|{'|'.join(others)})"

    def _body(self, between: str, item: str) -> str:
        """Items parted by one kind of mark, by which one depends on the first."""
        marks = [mark for mark in between if mark not in (self.decimal, self.thousands)]
        by_mark = [f"{item}(?:\\s*{mark}\\s*{item})+" for mark in marks]
        if self.thousands != " ":
            by_mark.append(f"{item}(?:\\s+{item})*")
        return f"(?:{'|'.join([*by_mark, item])})"

    @cached_property
    def _flat(self) -> str:
        inside = self._body(",;", self._item)
        plain = inside
        if not self.clear_commas:  # `1, 2` is a list; `1,2` may be a number with decimals
            plain = f"(?:{self._body(';', self._item)}|{self._item}(?:\\s*,\\s+{self._item})+)"
        return f"^\\s*(?:\\[\\s*{inside}?\\s*\\]|{plain}?)\\s*$"

    @cached_property
    def _nested(self) -> str:
        step = f"\\[\\s*{self._body(',;', self._item)}?\\s*\\]"
        return f"^\\s*\\[\\s*{self._body(',;', step)}\\s*\\]\\s*$"

    def _has_unclear_commas(self, text: pa.Array) -> NDArray[np.bool_]:
        """The cells that would be numbers if commas were marks inside them."""
        if "," in (self.decimal, self.thousands):
            return np.zeros(len(text), np.bool_)
        found = np.zeros(len(text), np.bool_)
        for decimal, thousands in ((",", ""), (".", ",")):
            other = NumberText(self.integers and decimal == ".", decimal, thousands, self.missing)
            found |= _mask(pc.match_substring_regex(text, other._flat))
        return found & _mask(pc.match_substring_regex(text, "[0-9],[0-9]"))


def _beyond_int64(tokens: pa.Array) -> NDArray[np.bool_] | None:
    """Which integers need more than 64 bits, `(n,)`; None where none is long enough."""
    is_long = _mask(pc.greater(pc.binary_length(tokens), _SAFE_DIGITS))
    if not is_long.any():
        return None
    at = np.flatnonzero(is_long)
    beyond = np.zeros(len(tokens), np.bool_)
    beyond[at] = [not -(2**63) <= _integer(token) < 2**63 for token in tokens.take(pa.array(at)).to_pylist()]
    return beyond


def _integer(token: str) -> int:
    """The integer, or one as large as any that 64 bits do not hold: Python reads no more than thousands of digits."""
    digits = token.lstrip("+-").lstrip("0") or "0"
    value = int(digits[:20])
    return -value if token.startswith("-") else value


def _without(text: pa.Array, gone: NDArray[np.bool_], stand_in: str = "") -> pa.Array:
    return pc.if_else(pa.array(gone), pa.scalar(stand_in, text.type), text) if gone.any() else text


def _mask(found: pa.Array) -> NDArray[np.bool_]:
    masked: NDArray[np.bool_] = found.to_numpy(zero_copy_only=False)
    return masked
