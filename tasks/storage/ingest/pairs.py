"""The user's files of pairs, made into a dataset in two passes, of which neither holds them in memory.

The first pass reads the files once: it checks each row, splits by a hash of its source, learns from the
training split, and sets the rows aside. The second encodes what was set aside.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.seq2seq.arrays.hashing import Hashes
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.splits import SPLITS
from tasks.seq2seq.data.synthetic import NOTHING
from tasks.seq2seq.settings.data import FilesData
from tasks.storage.artifacts.dataset import DatasetFacts, SideFacts, write_codecs
from tasks.storage.files.json_files import write_json
from tasks.storage.files.progress import Report, say_nothing
from tasks.storage.ingest.duplicates import RepeatCounter
from tasks.storage.ingest.found_files import FoundFiles, find_files
from tasks.storage.ingest.pair_encoding import EncodePass
from tasks.storage.ingest.pair_reading import PairCounts, PairSides, ReadPass
from tasks.storage.ingest.rejects import Rejects, write_rejects
from tasks.storage.ingest.staged_pairs import StagedPairs


def ingest_pairs(
    data: FilesData,
    seed: int,
    folder: Path,
    held_out: Hashes = NOTHING,
    report: Report = say_nothing,
    files: FoundFiles | None = None,
    *,
    first_rows: int | None = None,
    is_traced: bool = False,
) -> DatasetFacts:
    """Fills `folder` with the dataset that `tasks.storage.artifacts.dataset` describes.

    Args:
        data: the settings.
        seed: of the split.
        folder: to fill.
        held_out: hashes of sources, ascending, that neither training nor validation may see.
        report: is told how far it is.
        first_rows: how many rows are read of each place, more or less; None means all.
        is_traced: whether the rows of all splits stand beside their files and numbers, not those of the test alone.
        files: those of the settings, where they were found already.

    Raises:
        DataError: a file cannot be read, too many rows cannot be used, a split is empty, or there is
            nothing to learn.
    """
    files = files or find_files(data)
    sides, counts = PairSides.of(data), PairCounts()
    with write_rejects(folder / "rejects.parquet", of_dataset=True) as rejects:
        staged, repeats = StagedPairs(folder), RepeatCounter(folder / "repeats")
        ReadPass(data, files, seed, held_out, sides, staged, rejects, repeats, counts, first_rows).run(report)
        counts.check_splits(data)
        codecs = sides.finish(data)
        encoding = EncodePass(data, sides, codecs, staged, rejects, counts, is_traced=is_traced)
        encoding.run(folder, report)
    write_json(folder / "profile.json", encoding.profile.to_json())
    write_json(folder / "account.json", _account(data, files, counts, sides, encoding, rejects, repeats))
    write_codecs(folder, codecs)
    return _facts(data, counts, encoding, rejects, codecs)


def _account(
    data: FilesData,
    files: FoundFiles,
    counts: PairCounts,
    sides: PairSides,
    encoding: EncodePass,
    rejects: Rejects,
    repeats: RepeatCounter,
) -> dict[str, Any]:
    rejected = dict(counts.rejected)
    for i, split in enumerate(SPLITS):
        # Those with unknown symbols, which only the second pass sees.
        rejected[split if split in data.places else "train"] += int(counts.rows[i]) - encoding.written[split]
    return {
        "read": counts.read,
        "rejected": rejected,
        "held_back": counts.held_back,
        "reasons": dict(rejects.reasons),
        "splits": {name: n for name, n in encoding.written.items() if n or name != "validation"},
        "repeats": repeats.finish()._asdict(),
        "unknown": encoding.unknown,
        "sentinels": [
            {"column": ", ".join(map(str, columns)), **found._asdict()}
            for columns, side in ((data.source_columns, sides.source), (data.target_columns, sides.target))
            for found in side.odd.finish()
        ],
        "files": [file.path for _, file in counts.files],
        **files.left_out(),
    }


def _facts(data: FilesData, counts: PairCounts, encoding: EncodePass, rejects: Rejects, codecs: Codecs) -> DatasetFacts:
    longest_source, longest_target = encoding.longest
    return DatasetFacts(
        kind=data.kind,
        train_rows=encoding.written["train"],
        validation_rows=encoding.written["validation"],
        evaluation_rows=encoding.written["test"],
        rejected_rows=sum(rejects.reasons.values()),
        held_back_rows=counts.held_back,
        source=SideFacts.of(codecs.source, data.max_source_length or longest_source),
        target=SideFacts.of(codecs.target, data.max_target_length or longest_target),
        masked=True,
    )
