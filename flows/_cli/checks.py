"""What a model cannot be made of, refused before any work starts and before Prefect is imported."""

from __future__ import annotations

from tasks.runtime.packages import check_tensorboard
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.artifacts.start import check_start
from tasks.storage.ingest.training_files import check_training_files
from tasks.storage.store.artifact_store import Store


def check_data(experiment: Experiment) -> None:
    """Refuses the user's files where they cannot be pairs.

    Raises:
        DataError: naming the first file that cannot.
    """
    if isinstance(experiment.data, FilesData):
        check_training_files(experiment.data)


def check_model(experiment: Experiment, store: Store) -> None:
    """Refuses files, a start, or logs that cannot be worked with, and an export that cannot be made.

    Raises:
        Seq2SeqError: of the first of them, with what to do.
    """
    check_data(experiment)
    check_start(experiment, store)
    check_tensorboard(experiment)
