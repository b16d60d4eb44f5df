"""The kinds of artifacts, each a folder of the store."""

from __future__ import annotations

DATASET = "dataset"
CHECKS = "checks"
TRAINING = "training"
BUNDLE = "bundle"
VALIDATION = "validation"
EVALUATION = "evaluation"
HOLDOUT = "holdout"
HOLDOUT_SCORES = "holdout_scores"
REPORT = "report"
ONNX = "onnx"
SAVED_MODEL = "saved_model"
SWEEP = "sweep"

KINDS = (
    DATASET,
    CHECKS,
    TRAINING,
    BUNDLE,
    VALIDATION,
    EVALUATION,
    HOLDOUT,
    HOLDOUT_SCORES,
    REPORT,
    ONNX,
    SAVED_MODEL,
    SWEEP,
)
# What says something of a model or a dataset, or is another form of it, and goes with it.
ABOUT = (CHECKS, VALIDATION, EVALUATION, HOLDOUT_SCORES, REPORT, ONNX, SAVED_MODEL, SWEEP)

# Kinds whose format has changed, and what it is now. 2: a bundle's inference models are ONNX graphs, which predict.
_FORMATS = {BUNDLE: 2}


def format_version(kind: str) -> int:
    """The version of an artifact's format, by its kind."""
    return _FORMATS.get(kind, 1)
