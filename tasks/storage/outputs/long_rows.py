"""Forecasts of series with a row for each step of their horizon, in place of lists."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tasks.seq2seq.data.quantiles import PREFIX

_TIMES, _STEP = "prediction_times", "horizon_step"


def by_step(table: pa.Table) -> pa.Table:
    """A table of forecasts with a row a step.

    Args:
        table: a row a forecast, with the column `prediction`, behind it those of other quantiles where there are any,
            and `prediction_times` where there are stamps.

    Returns:
        The other columns, repeated; `prediction_time`, where there are stamps; `horizon_step`, counted from 1; and
        `prediction` and other quantiles: a number, or a list of them where the target has several columns.
    """
    forecasts = _forecasts(table.column_names)
    prediction = _whole(table["prediction"])
    lengths = pc.list_value_length(prediction).to_numpy(zero_copy_only=False).astype(np.int64)
    rows = np.repeat(np.arange(len(table)), lengths)
    steps = np.arange(len(rows)) - np.repeat(np.cumsum(lengths) - lengths, lengths) + 1
    made: dict[str, pa.Array | pa.ChunkedArray] = {}
    for name in table.column_names:
        if name == _TIMES:
            made["prediction_time"] = _whole(table[name]).flatten()
        elif name in forecasts:
            made.setdefault(_STEP, pa.array(steps))
            made[name] = _numbers(_whole(table[name]).flatten())
        else:
            made[name] = table[name].take(pa.array(rows))
    return pa.table(made)


def _forecasts(names: list[str]) -> list[str]:
    """The prediction and the other quantiles, which stand behind it: a column of the input stands before it."""
    behind = names[names.index("prediction") + 1 :]
    return ["prediction", *(name for name in behind if name.startswith(PREFIX))]


def _whole(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _numbers(steps: pa.Array) -> pa.Array:
    """Vectors of one number as numbers."""
    is_single = pa.types.is_fixed_size_list(steps.type) and steps.type.list_size == 1
    return steps.flatten() if is_single else steps
