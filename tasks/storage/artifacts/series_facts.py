"""What a model must know of the series that it was trained on: two files of its bundle, which may be anybody's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from pyarrow import types

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.settings.data import FilesData, SyntheticData
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.artifacts.shapes import SeriesFile
from tasks.storage.artifacts.stamps import TimeFacts
from tasks.storage.artifacts.stored_series import SERIES, TABLE, list_matrix, read_table
from tasks.storage.files.json_files import first_fault, read_json

_AGAIN = "make the bundle again"


class SeriesFacts(NamedTuple):
    """What is known of the series of training.

    time: what their stamps are; None where none were read.
    table: a row a series, see `tasks.storage.artifacts.stored_series`.
    categories: the values of each column of `data.static_categories`, in the order of their features.
    """

    time: TimeFacts | None
    table: pa.Table
    categories: dict[str, list[str]]


def read_series_facts(folder: Path) -> SeriesFacts | None:
    """What a dataset or a bundle says of its series; None where it has neither of the two files.

    Raises:
        ArtifactError: one of them is missing, or is not what this project writes.
    """
    there = [name for name in (SERIES, TABLE) if (folder / name).exists()]
    if not there:
        return None
    for name in {SERIES, TABLE} - set(there):
        raise ArtifactError(f"{folder} has no {name}, which belongs to its {there[0]}; {_AGAIN}, or bring it back")
    described = read_json(folder / SERIES, SeriesFile)
    table = read_table(folder)
    for fault in _table_faults(table):
        raise ArtifactError(f"{folder / TABLE} cannot be used: {fault}; {_AGAIN}, or bring it back")
    time = described.get("time")
    try:
        facts = None if time is None else TimeFacts.model_validate(time)
    except ValueError as error:
        raise ArtifactError(
            f"{folder / SERIES} cannot be read: of its 'time' {first_fault(error)}; {_AGAIN}"
        ) from error
    return SeriesFacts(facts, table, described.get("categories", {}))


def check_series_facts(folder: Path, experiment: Experiment, n_numbers: int) -> None:
    """Refuses a bundle whose files do not say what its model must know of series.

    Args:
        folder: of the bundle.
        experiment: that it was made by.
        n_numbers: by how many numbers its model tells series apart, that of unknown ones among them; 0: by none.

    Raises:
        ArtifactError: with the file, and what is wrong with it.
    """
    data = experiment.data
    if isinstance(data, SyntheticData) or not data.is_series:
        return
    found = read_series_facts(folder)
    if found is None:
        if data.time is not None or data.scale == "series" or n_numbers:  # older bundles of others have none
            raise ArtifactError(f"{folder} has no {SERIES} and no {TABLE}, which its model needs; {_AGAIN}")
        return
    for fault in _faults(found, data, n_numbers):
        raise ArtifactError(f"{folder} was made by settings that its {fault}; {_AGAIN}")


def _faults(found: SeriesFacts, data: FilesData, n_numbers: int) -> Iterator[str]:
    """What files say otherwise than the settings, each as the end of a sentence."""
    if (found.time is None) is not (data.time is None):
        yield f"{SERIES} does not follow: {'no ' if found.time is None else ''}time was read"
    n_ids, expected = sum(name.startswith("id.") for name in found.table.column_names), len(data.columns_of("series"))
    if n_ids != expected:
        yield f"{TABLE} does not follow: it has {n_ids} columns of ids, expected {expected}"
    if data.scale == "series":
        for side, columns in (("source", data.source_columns), ("target", data.target_columns)):
            for name in (f"{side}_mean", f"{side}_scale"):
                if _width(found.table, name) != len(columns):
                    yield f"{TABLE} does not follow: {name!r} is not of {len(columns)} numbers a series"
    yield from _static_faults(found, data, n_numbers)


def _static_faults(found: SeriesFacts, data: FilesData, n_numbers: int) -> Iterator[str]:
    """Of what is known of each series: numbers, the features of its kinds, and its own number."""
    kinds = [str(name) for name in data.columns_of("static_categories")]
    if list(found.categories) != kinds:
        yield f"{SERIES} does not follow: its categories are of {list(found.categories)}, expected {kinds}"
        return
    width = len(data.columns_of("static")) + sum(map(len, found.categories.values())) + bool(n_numbers)
    if width and _width(found.table, "static") != width:
        yield f"{TABLE} does not follow: 'static' is not of {width} numbers a series"
    elif n_numbers:
        numbers = list_matrix(found.table["static"])[:, -1]
        if not ((numbers >= 0) & (numbers < n_numbers) & (numbers % 1 == 0)).all():
            yield f"{TABLE} does not follow: the last of 'static' is not a number of one of {n_numbers} series"


def _width(table: pa.Table, name: str) -> int:
    return list_matrix(table[name]).shape[1] if name in table.column_names and len(table) else 0


def _table_faults(table: pa.Table) -> Iterator[str]:
    """Columns that are not as this project writes them."""
    for name in table.column_names:
        column = table[name]
        if name.startswith("id.") and not (types.is_string(column.type) and not column.null_count):
            yield f"column {name!r} is of type {column.type}, with {column.null_count} nulls, expected text"
        is_vectors = name == "static" or name.endswith(("_mean", "_scale"))
        if is_vectors and not _is_matrix(column):
            yield f"column {name!r} is not of as many finite numbers in each row"
        elif name.endswith("_scale") and (list_matrix(column) <= 0).any():
            yield f"column {name!r} holds a number that is not above 0, by which values would be divided"


def _is_matrix(column: pa.ChunkedArray) -> bool:
    if not (types.is_list(column.type) and types.is_float64(column.type.value_type)) or column.null_count:
        return False
    rows = column.combine_chunks()
    lengths = np.diff(rows.offsets.to_numpy())
    values = rows.flatten()
    return not values.null_count and len(set(lengths.tolist())) <= 1 and bool(np.isfinite(values.to_numpy()).all())
