"""A file to predict, `python rows.py --rows N FILE`: sources of the default problem as Parquet."""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ROW_GROUP = 100_000
SOURCE_STEPS, SYMBOLS = 6, 50


def write_rows(path: Path, rows: int) -> None:
    """Writes `rows` sources, numbered."""
    rng = np.random.default_rng(1)
    schema = pa.schema([("id", pa.int64()), ("source", pa.list_(pa.int32()))])
    with pq.ParquetWriter(path, schema) as writer:
        for first in range(0, rows, ROW_GROUP):
            n = min(ROW_GROUP, rows - first)
            tokens = pa.array(rng.integers(1, SYMBOLS + 1, n * SOURCE_STEPS, dtype=np.int32))
            offsets = pa.array(np.arange(n + 1, dtype=np.int32) * SOURCE_STEPS)
            columns = [pa.array(np.arange(first, first + n)), pa.ListArray.from_arrays(offsets, tokens)]
            writer.write_table(pa.table(columns, schema=schema))


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    chosen = parser.parse_args()
    write_rows(chosen.file, chosen.rows)


if __name__ == "__main__":
    main()
