"""The kinds of artifacts, each a folder of the store."""

from __future__ import annotations

DATASET = "dataset"
CHECKS = "checks"
TRAINING = "training"
BUNDLE = "bundle"
EVALUATION = "evaluation"
HOLDOUT = "holdout"
HOLDOUT_SCORES = "holdout_scores"
REPORT = "report"
ONNX = "onnx"
