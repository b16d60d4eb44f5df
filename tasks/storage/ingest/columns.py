"""A column of a user's file as sequences of one encoding, each row that is none with its reason.

Text is split on white space into words, unless it is a JSON list of strings, which are the words then; text that
means numbers is read by the grammar of `number_text`.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.dialect import PLAIN, Dialect
from tasks.storage.ingest.number_text import Numbers, NumberText
from tasks.storage.ingest.reasons import (
    FEATURES,
    FINE,
    INTEGER_RANGE,
    NOT_FINITE,
    NULL,
    NULL_INSIDE,
    TYPE,
    UTF8,
    Reasons,
)

_WORD_LIST = r'^\s*\[\s*(?:(?:"|null).*)?\]\s*$'  # what may be a JSON list of strings


class Column(NamedTuple):
    """The rows of a block, one side of it.

    steps: time steps of all rows: integers `(total,) int64`, code points `(total,) int32`, indices into
        `words` `(total,) int32`, or vectors `(total, features) float64`.
    reasons: why each row cannot be used, `(n,) int8`; 0 where it can.
    words: the different words of the block, where the encoding is words.
    """

    steps: Sequences
    reasons: Reasons
    words: list[str] | None = None


def to_column(
    array: pa.ChunkedArray,
    kind: str,
    *,
    lowercase: bool = False,
    features: int | None = None,
    dialect: Dialect = PLAIN,
) -> Column:
    """The column of a block as its encoding says.

    Args:
        array: the column as the file has it.
        kind: the encoding: integers, characters, words or vectors.
        lowercase: of characters and words.
        features: numbers a step of vectors must have; None takes the commonest.
        dialect: how the file writes numbers and missing values, and what its lists are padded with.

    Raises:
        DataError: the column's type has no such encoding.
    """
    array = _decoded(array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array)
    if kind in ("characters", "words"):
        if pa.types.is_null(array.type):
            array = array.cast(pa.large_string())
        return (_characters if kind == "characters" else _words)(array, lowercase, dialect.missing)
    return _numbers(array, features, NumberText.of(dialect, integers=kind == "integers"), dialect.padding_value)


def _decoded(array: pa.Array) -> pa.Array:
    if isinstance(array, pa.ChunkedArray):  # more than a chunk can hold
        array = pa.concat_arrays(array.chunks)
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def is_text(kind: pa.DataType) -> bool:
    """Whether a type is that of text."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is one of lists."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _text(array: pa.Array, lowercase: bool) -> tuple[pa.Array, Reasons]:
    """Text in normal form NFC, nulls and what is not UTF-8 as empty text with a reason."""
    if not is_text(array.type):
        raise DataError(f"a column of type {array.type} holds no text")
    reasons = _nulls(array, NULL)
    array = array.cast(pa.large_string()) if _is_valid(array) else _mended(array, reasons)
    array = _filled(array, "")
    if not pc.all(pc.string_is_ascii(array)).as_py():
        array = pc.utf8_normalize(array, form="NFC")
    return pc.utf8_lower(array) if lowercase else array, reasons


def _is_valid(array: pa.Array) -> bool:
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _mended(array: pa.Array, reasons: Reasons) -> pa.Array:
    texts = []
    for i, value in enumerate(array.cast(pa.large_binary(), safe=False).to_pylist()):
        try:
            texts.append(value and value.decode())
        except UnicodeDecodeError:
            reasons[i] = UTF8
            texts.append(None)
    return pa.array(texts, pa.large_string())


def _without_missing(text: pa.Array, reasons: Reasons, missing: tuple[str, ...]) -> pa.Array:
    """The cells, those that stand for a missing value as nulls are."""
    if not missing:
        return text
    is_missing = pc.is_in(pc.utf8_trim_whitespace(text), pa.array(missing, text.type))
    reasons[_as_mask(is_missing) & (reasons == FINE)] = NULL
    return pc.if_else(is_missing, "", text)


def _characters(array: pa.Array, lowercase: bool, missing: tuple[str, ...]) -> Column:
    text, reasons = _text(array, lowercase)
    text = _without_missing(text, reasons, missing)
    lengths = pc.utf8_length(text).to_numpy(zero_copy_only=False)
    offsets = np.frombuffer(text.buffers()[1], np.int64)[text.offset : text.offset + len(text) + 1]
    encoded = bytes(text.buffers()[2][offsets[0] : offsets[-1]]) if len(text) and text.buffers()[2] else b""
    points = np.frombuffer(encoded.decode().encode("utf-32-le"), np.int32)
    return Column(Sequences.of_lengths(points, lengths), reasons)


def _words(array: pa.Array, lowercase: bool, missing: tuple[str, ...]) -> Column:
    if is_list(array.type):
        flat, lengths, reasons = _flatten(array)
        flat = flat.cast(pa.large_string()) if pa.types.is_null(flat.type) else flat
        flat, faults = _text(flat, lowercase)
    else:
        text, reasons = _text(array, lowercase)
        flat, lengths = _words_of_text(_without_missing(text, reasons, missing))
        faults, flat = _nulls(flat, NULL), _filled(flat, "")
    _blame(reasons, lengths, faults, {NULL: NULL_INSIDE, UTF8: UTF8})
    encoded = flat.dictionary_encode()
    indices = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    return Column(Sequences.of_lengths(indices, lengths), reasons, encoded.dictionary.to_pylist())


def _words_of_text(text: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    """The words of each text, those of a JSON list as they are, and how many there are."""
    may_be_list = _as_mask(pc.match_substring_regex(text, _WORD_LIST))
    if not may_be_list.any():
        return _split(text)
    split = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(text)).to_pylist()
    rows: list[list[str | None]] = [[word for word in row if word] for row in split]
    for i in np.flatnonzero(may_be_list).tolist():
        listed = _listed_words(text[i].as_py())
        rows[i] = rows[i] if listed is None else listed
    flat = pa.array([word for row in rows for word in row], pa.large_string())
    return flat, np.array([len(row) for row in rows], np.int64)


def _listed_words(text: str) -> list[str | None] | None:
    """The strings of a JSON list; None where it is none, or holds something else."""
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if all(word is None or isinstance(word, str) for word in found) else None


def _split(text: pa.Array) -> tuple[pa.Array, NDArray[np.int64]]:
    """The words of each text and how many there are; none is empty."""
    parts = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(text))
    flat = pc.list_flatten(parts)
    rows = pc.list_parent_indices(parts).to_numpy(zero_copy_only=False)
    filled = pc.not_equal(flat, "")
    kept = rows[filled.to_numpy(zero_copy_only=False)]
    return flat.filter(filled), np.bincount(kept, minlength=len(text)).astype(np.int64)


def _numbers(array: pa.Array, features: int | None, text: NumberText, padding: float | None) -> Column:
    if is_text(array.type):
        numbers = text.read(*_text(array, lowercase=False))
    elif is_list(array.type):
        numbers = _of_lists(array, text, padding)
    else:
        values, faults = _values(array, text)
        reasons = np.where(faults == NULL_INSIDE, NULL, faults).astype(np.int8)
        numbers = Numbers(values, np.full(len(array), FINE, np.int8), np.ones(len(array), np.int64), reasons)
    return _integers(numbers) if text.integers else _vectors(numbers, features)


def _integers(numbers: Numbers) -> Column:
    _blame(numbers.reasons, numbers.lengths, numbers.faults)
    return Column(Sequences.of_lengths(numbers.values, numbers.lengths), numbers.reasons)


def _vectors(numbers: Numbers, features: int | None) -> Column:
    values, faults, lengths, reasons, widths = numbers
    faults = np.where(~np.isfinite(values) & (faults == FINE), NOT_FINITE, faults).astype(np.int8)
    if widths is None:
        widths = np.ones(len(values), np.int64)
        steps = faults
    else:
        steps = np.full(len(widths), FINE, np.int8)
        _blame(steps, widths, faults)
    if features is None:
        features = _commonest(widths[steps == FINE] if (steps == FINE).any() else widths)
    right = widths == features
    if right.all():
        result = values.reshape(-1, features)
    else:
        steps = np.where(right | (steps == NULL_INSIDE), steps, FEATURES).astype(np.int8)
        result = np.zeros((len(widths), features))
        result[right] = values[np.repeat(right, widths)].reshape(-1, features)
    _blame(reasons, lengths, steps)
    return Column(Sequences.of_lengths(result, lengths), reasons)


def _commonest(widths: NDArray[np.int64]) -> int:
    return int(np.argmax(np.bincount(widths))) if len(widths) else 1


def _of_lists(array: pa.Array, text: NumberText, padding: float | None) -> Numbers:
    """The numbers of lists, or of lists of lists; without what they are padded with."""
    flat, lengths, reasons = _flatten(array)
    widths, steps = None, None
    if is_list(flat.type) and not text.integers:
        flat, widths, steps = _flatten(flat)
    elif is_list(flat.type):
        raise DataError(f"a column of type {array.type} holds lists of lists, expected lists of integers")
    values, faults = _values(flat, text)
    if steps is not None and steps.any():  # a step that is null is one of a single value that is
        assert widths is not None
        at = np.cumsum(widths) - widths
        gone = steps != FINE
        values, faults = np.insert(values, at[gone], 0), np.insert(faults, at[gone], NULL_INSIDE)
        widths = np.where(gone, 1, widths)
    numbers = Numbers(values, faults, lengths, reasons, widths)
    return numbers if padding is None else without_padding(numbers, padding)


def _values(flat: pa.Array, text: NumberText) -> tuple[NDArray[Any], Reasons]:
    """The numbers of a column of any type that holds some, and why some are none; 0 stands in for theirs."""
    if pa.types.is_null(flat.type):
        return np.zeros(len(flat), np.int64 if text.integers else np.float64), np.full(len(flat), NULL_INSIDE, np.int8)
    faults = _nulls(flat, NULL_INSIDE)
    if is_text(flat.type):
        words, is_bad = _text(flat, lowercase=False)
        values, found = text.values(words)
        return values, np.where(is_bad == FINE, found, np.where(is_bad == NULL, NULL_INSIDE, is_bad)).astype(np.int8)
    if pa.types.is_boolean(flat.type):
        flat = flat.cast(pa.int8())
    if not _is_number(flat.type):
        raise DataError(f"a column of type {flat.type} holds no numbers")
    flat = _filled(flat, 0)
    if text.integers:
        flat = _whole(flat, faults)
    values = flat.cast(pa.int64() if text.integers else pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    for marker in text.missing_numbers:
        faults[(values == marker) & (faults == FINE)] = NULL_INSIDE
    return values, faults


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def _whole(flat: pa.Array, faults: Reasons) -> pa.Array:
    """Numbers of which those that are no integers of 64 bits are 0, with a fault."""
    if pa.types.is_decimal(flat.type):
        is_broken = _as_mask(pc.not_equal(pc.trunc(flat), flat))
        faults[is_broken & (faults == FINE)] = TYPE
        flat = pc.if_else(pa.array(is_broken), pa.scalar(0, flat.type), flat)
        beyond = np.array([not -(2**63) <= int(value) < 2**63 for value in flat.to_pylist()], np.bool_)
    elif pa.types.is_uint64(flat.type):
        beyond = _as_mask(pc.greater(flat, pa.scalar(2**63 - 1, pa.uint64())))
    elif pa.types.is_integer(flat.type):
        return flat
    else:
        raise DataError(f"a column of type {flat.type} holds no integers")
    faults[beyond & (faults == FINE)] = INTEGER_RANGE
    return pc.if_else(pa.array(beyond), pa.scalar(0, flat.type), flat) if beyond.any() else flat


def without_padding(numbers: Numbers, padding: float) -> Numbers:
    """The numbers of lists without the steps at either end that are nothing but padding."""
    is_pad = np.isnan(numbers.values) if np.isnan(padding) else numbers.values == padding
    widths = numbers.widths
    if widths is not None:
        of_step = np.repeat(np.arange(len(widths)), widths)
        is_pad = np.bincount(of_step[~is_pad], minlength=len(widths)) == 0
    kept = np.flatnonzero(~is_pad)
    rows = np.repeat(np.arange(len(numbers.lengths)), numbers.lengths)
    n, starts = len(numbers.lengths), np.cumsum(numbers.lengths) - numbers.lengths
    first, last = starts.copy(), starts - 1  # of a row of padding alone
    some, where = np.unique(rows[kept], return_index=True)
    ends = np.append(where[1:], len(kept)) - 1
    first[some], last[some] = kept[where], kept[ends]
    lengths = last - first + 1
    at = np.arange(len(rows))
    inside = (at >= np.repeat(first, numbers.lengths)) & (at <= np.repeat(last, numbers.lengths)) if n else kept > 0
    if widths is None:
        return numbers._replace(values=numbers.values[inside], faults=numbers.faults[inside], lengths=lengths)
    taken = np.repeat(inside, widths)
    return Numbers(numbers.values[taken], numbers.faults[taken], lengths, numbers.reasons, widths[inside])


def _as_mask(found: pa.Array) -> NDArray[np.bool_]:
    masked: NDArray[np.bool_] = found.to_numpy(zero_copy_only=False)
    return masked


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type.value_type if pa.types.is_dictionary(kind.value_type) else kind.value_type


def _flatten(array: pa.Array) -> tuple[pa.Array, NDArray[np.int64], Reasons]:
    """Values of a list column, the length of each list (null: 0), and which rows are null."""
    if not is_list(array.type):
        raise DataError(f"a column of type {array.type} holds no lists")
    lengths = _filled(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return _decoded(array.flatten()), lengths, _nulls(array, NULL)


def _nulls(array: pa.Array, reason: int) -> Reasons:
    """The reason where a value is null, and none elsewhere."""
    if not array.null_count:  # which is known, and spares a call that takes longer than a short column
        return np.full(len(array), FINE, np.int8)
    return np.where(array.is_null().to_numpy(zero_copy_only=False), reason, FINE).astype(np.int8)


def _filled(array: pa.Array, value: Any) -> pa.Array:  # noqa: ANN401 - a Python value of the array's type
    """The array with a value in place of nulls."""
    return array.fill_null(value) if array.null_count else array


def _blame(reasons: Reasons, lengths: NDArray[np.int64], faults: Reasons, names: dict[int, int] | None = None) -> None:
    """Passes the faults of steps on to their rows, which keep the first reason that they were given."""
    at = np.flatnonzero(faults)
    if not at.size:
        return
    rows = np.repeat(np.arange(len(lengths)), lengths)[at]
    rows, first = np.unique(rows, return_index=True)
    blamed = [int(faults[at[i]]) for i in first]
    named: Any = [names[fault] if names else fault for fault in blamed]
    reasons[rows] = np.where(reasons[rows] == FINE, named, reasons[rows])
