"""A column of a user's file as sequences of one encoding, each row that is none with its reason.

Text is split on white space into words, or into numbers, which commas, semicolons and brackets may
part as well: `1 2 3`, `1,2,3` and `[1, 2, 3]` are the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.errors import DataError
from tasks.storage.ingest.reasons import FEATURES, FINE, NOT_FINITE, NULL, NULL_INSIDE, TYPE, UTF8, Reasons

INTEGER = r"^[+-]?[0-9]{1,18}$"
NUMBER = r"^[+-]?([0-9]+\.?[0-9]*([eE][+-]?[0-9]+)?|\.[0-9]+([eE][+-]?[0-9]+)?|(?i:nan|inf|infinity))$"
BETWEEN_NUMBERS = r"[\s,;\[\]]+"


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


def to_column(array: pa.ChunkedArray, kind: str, *, lowercase: bool = False, features: int | None = None) -> Column:
    """The column of a block as its encoding says.

    Args:
        array: the column as the file has it.
        kind: the encoding: integers, characters, words or vectors.
        lowercase: of characters and words.
        features: numbers a step of vectors must have; None takes the commonest.

    Raises:
        DataError: the column's type has no such encoding.
    """
    array = _decoded(array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array)
    if kind == "characters":
        return _characters(array, lowercase)
    if kind == "words":
        return _words(array, lowercase)
    return _numbers(array, pa.int64() if kind == "integers" else pa.float64(), features)


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
    """Text in normal form NFC, nulls and what is no UTF-8 as empty text with a reason."""
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


def _characters(array: pa.Array, lowercase: bool) -> Column:
    text, reasons = _text(array, lowercase)
    lengths = pc.utf8_length(text).to_numpy(zero_copy_only=False)
    offsets = np.frombuffer(text.buffers()[1], np.int64)[text.offset : text.offset + len(text) + 1]
    encoded = bytes(text.buffers()[2][offsets[0] : offsets[-1]]) if len(text) and text.buffers()[2] else b""
    points = np.frombuffer(encoded.decode().encode("utf-32-le"), np.int32)
    return Column(Sequences.of_lengths(points, lengths), reasons)


def _words(array: pa.Array, lowercase: bool) -> Column:
    if is_list(array.type) and is_text(_value_type(array.type)):
        flat, lengths, reasons = _flatten(array)
        flat, faults = _text(flat, lowercase)
        _blame(reasons, lengths, faults, {NULL: NULL_INSIDE, UTF8: UTF8})
    else:
        text, reasons = _text(array, lowercase)
        flat, lengths = _split(text, None)
    encoded = flat.dictionary_encode()
    indices = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int32)
    return Column(Sequences.of_lengths(indices, lengths), reasons, encoded.dictionary.to_pylist())


def _split(text: pa.Array, between: str | None) -> tuple[pa.Array, NDArray[np.int64]]:
    """The parts of each text and how many there are; no part is empty."""
    if between is None:
        parts = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(text))
    else:
        parts = pc.split_pattern_regex(text, between)
    flat = pc.list_flatten(parts)
    rows = pc.list_parent_indices(parts).to_numpy(zero_copy_only=False)
    filled = pc.not_equal(flat, "")
    kept = rows[filled.to_numpy(zero_copy_only=False)]
    return flat.filter(filled), np.bincount(kept, minlength=len(text)).astype(np.int64)


def _numbers(array: pa.Array, number: pa.DataType, features: int | None) -> Column:
    if pa.types.is_integer(array.type) or pa.types.is_floating(array.type):
        flat, lengths = array, np.ones(len(array), np.int64)
        reasons = _nulls(array, NULL)
        flat = _filled(flat, 0)
    elif is_text(array.type):
        text, reasons = _text(array, lowercase=False)
        flat, lengths = _split(text, BETWEEN_NUMBERS)
        sound = pc.match_substring_regex(flat, INTEGER if pa.types.is_integer(number) else NUMBER)
        _blame(reasons, lengths, np.where(sound.to_numpy(zero_copy_only=False), FINE, TYPE).astype(np.int8))
        flat = pc.utf8_ltrim(pc.if_else(sound, flat, "0"), "+")  # Arrow reads no integer with a plus
    else:
        flat, lengths, reasons = _flatten(array)
    nested = is_list(flat.type)
    if nested:
        return _nested(flat, lengths, reasons, features)
    faults = _nulls(flat, NULL_INSIDE)
    flat = _filled(flat, "0" if is_text(flat.type) else 0)
    if pa.types.is_uint64(flat.type) and pa.types.is_integer(number):
        is_large = pc.greater(flat, pa.scalar(2**63 - 1, pa.uint64()))
        faults[is_large.to_numpy(zero_copy_only=False)] = TYPE
        flat = pc.if_else(is_large, pa.scalar(0, pa.uint64()), flat)
    values = _cast(flat, number).to_numpy(zero_copy_only=False)
    if pa.types.is_floating(number):
        faults[~np.isfinite(values) & (faults == FINE)] = NOT_FINITE
        values = values[:, None]
        if features not in (None, 1):
            faults[:] = FEATURES
            values = np.zeros((len(values), features or 1))
    _blame(reasons, lengths, faults)
    return Column(Sequences.of_lengths(values, lengths), reasons)


def _nested(steps: pa.Array, lengths: NDArray[np.int64], reasons: Reasons, features: int | None) -> Column:
    """Several features a step: each step a list of numbers."""
    flat, widths, faults = _flatten(steps)
    faults[faults == NULL] = NULL_INSIDE
    if features is None:
        common, counts = np.unique(widths[faults == FINE], return_counts=True)
        features = int(common[np.argmax(counts)]) if len(common) else 1
    faults[(widths != features) & (faults == FINE)] = FEATURES
    numbers = _cast(flat, pa.float64())
    is_null = numbers.is_null().to_numpy(zero_copy_only=False)
    values = numbers.fill_null(0).to_numpy(zero_copy_only=False)
    inside = np.where(is_null, NULL_INSIDE, np.where(np.isfinite(values), FINE, NOT_FINITE)).astype(np.int8)
    _blame(faults, widths, inside)
    result = np.zeros((len(steps), features))
    right = widths == features
    result[right] = values[np.repeat(right, widths)].reshape(-1, features)
    _blame(reasons, lengths, faults)
    return Column(Sequences.of_lengths(result, lengths), reasons)


def _cast(flat: pa.Array, number: pa.DataType) -> pa.Array:
    if flat.type == number:
        return flat
    try:
        return flat.cast(number, safe=not pa.types.is_floating(number))  # real values are rounded as such are
    except pa.ArrowInvalid as error:
        raise DataError(f"numbers of type {flat.type} do not fit {number}: {error}") from error


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
    """The array with a value in the place of nulls."""
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
