"""Arrow: files, whose footer counts the rows, and streams, whose end only reading finds."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from tasks.seq2seq.errors import DataError
from tasks.storage.files.inputs import InputFile
from tasks.storage.readers.arrow_bodies import check_bodies, count_rows
from tasks.storage.readers.blocks import Layout, check_announced
from tasks.storage.readers.columnar import Columnar
from tasks.storage.readers.spans import Span, even_spans

_FILE_SIGNATURE = b"ARROW1"
_STREAM_END = b"\xff\xff\xff\xff\0\0\0\0"  # a message of length zero


class Arrow(Columnar):
    """The format; a stream has a file's suffix, too, and no signature."""

    name = "Arrow"
    suffixes = (".arrow", ".feather")
    signatures = (b"ARROW1\0\0", b"")

    def look(self, file: InputFile, opened: pa.NativeFile) -> tuple[pa.Schema, bool]:
        """The schema, and whether there are any rows, for which a stream is read up to the first."""
        if _is_stream(opened):
            _check_stream_end(file, opened)
            check_bodies(opened, is_stream=True)
            stream = pa.ipc.open_stream(opened)
            return stream.schema, any(batch.num_rows for batch in stream)
        check_bodies(opened, is_stream=False)
        return pa.ipc.open_file(opened).schema, count_rows(opened) > 0

    def count(self, file: InputFile) -> int | None:
        """The rows of all batches, by their metadata; None of a stream."""
        with file.open_file() as opened:
            n = None if _is_stream(opened) else count_rows(opened)
        check_announced(file.path, n or 0, file.size)
        return n

    def spans(self, file: InputFile, _layout: Layout, rows: int) -> list[Span]:
        """Record batches, which are taken to be of like size; of a stream, where each is found by reading, none."""
        with file.open_file() as opened:
            if _is_stream(opened):
                return []
            n, n_rows = pa.ipc.open_file(opened).num_record_batches, count_rows(opened)
        return even_spans(n, -(-rows * n // max(1, n_rows)))

    def batches(self, opened: pa.NativeFile, names: list[str], span: Span | None = None) -> Iterator[pa.RecordBatch]:
        """Streams the file's own batches."""
        is_stream = _is_stream(opened)
        schema = (pa.ipc.open_stream if is_stream else pa.ipc.open_file)(opened).schema
        opened.seek(0)
        options = pa.ipc.IpcReadOptions(included_fields=sorted({schema.names.index(name) for name in names}))
        if is_stream:
            yield from map(_sound, pa.ipc.open_stream(opened, options=options))
            return
        reader = pa.ipc.open_file(opened, options=options)
        for i in range(*(span or (0, reader.num_record_batches))):
            yield _sound(reader.get_batch(i))


ARROW = Arrow()


def _sound(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch whose size can be asked for; what its values are is looked at later, a column after the other."""
    batch.validate()
    return batch


def _is_stream(opened: pa.NativeFile) -> bool:
    signature = opened.read(len(_FILE_SIGNATURE))
    opened.seek(0)
    return bool(signature != _FILE_SIGNATURE)


def _check_stream_end(file: InputFile, opened: pa.NativeFile) -> None:
    """Arrow takes a stream that was cut between two batches for a whole one."""
    opened.seek(max(0, file.size - len(_STREAM_END)))
    end = opened.read()
    opened.seek(0)
    if end != _STREAM_END:
        raise DataError(f"{file.path} is no Arrow file, or a stream cut short: its end-of-stream marker is not there")
