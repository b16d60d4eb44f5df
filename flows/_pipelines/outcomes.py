"""What came of a step, in a line of the log: for whoever watches a run, and whoever reads of last night's."""

from __future__ import annotations

from typing import Any

from tasks.seq2seq.metrics.table import score_lines
from tasks.storage.store.manifest import Handle, short
from tasks.storage.store.promotions import Promotion


def dataset_line(dataset: Handle) -> str:
    """How many pairs there are of each split, and how many rows could not be used."""
    facts = dataset.facts
    return (
        f"{facts['train_rows']:,} training, {facts['validation_rows']:,} validation, {facts['evaluation_rows']:,} "
        f"held-out pairs, {facts['rejected_rows']:,} rows rejected"
    )


def training_line(training: Handle) -> str:
    """Which epoch's weights were kept, and their losses."""
    facts = training.facts
    validation = f", validation loss {facts['val_loss']:.4f}" if "val_loss" in facts else ""
    return (
        f"the weights of epoch {facts['best_epoch']} are kept: loss {facts['loss']:.4f}{validation}; "
        f"{facts['parameters']:,} parameters"
    )


def bundle_line(bundle: Handle) -> str:
    """Where the model lies that predicts."""
    return f"the model is {short(bundle.digest)}, its graphs answer as Keras does"


def evaluation_line(evaluation: Handle) -> str:
    """The score that matters most."""
    return next(iter(score_lines(evaluation.fact("scores", dict[str, Any]))))


def promotion_line(promotion: Promotion) -> str:
    """Whether the model serves, why, and where it does not, what to do to have it serve."""
    if promotion.promoted:
        return f"promoted as {promotion.name!r}: {promotion.reason}"
    return (
        f"not promoted as {promotion.name!r}: {promotion.reason}; it is kept, and python -m flows.promotions --promote "
        f"lets it serve all the same"
    )
