"""Settings of `[checks]`: what data must keep to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tasks.seq2seq.settings.section import Fraction, Section

CheckRule = Literal[
    "rows",
    "rejected",
    "duplicates",
    "conflicts",
    "overlap",
    "unknown",
    "lengths",
    "sentinels",
    "time",
    "drift",
]


class Checks(Section):
    """What data must keep to, before it is worked on; a rule that is not kept warns, or ends the run."""

    min_rows: int = Field(1, ge=0, description="rule `rows`: usable rows at least")
    max_rejected: Fraction = Field(0.05, description="rule `rejected`: share of rows that cannot be used, in [0, 1)")
    max_duplicates: Fraction = Field(0.5, description="rule `duplicates`: share of rows that repeat an earlier one")
    max_conflicts: Fraction = Field(
        0.01, description="rule `conflicts`: sources with two targets or more, as a share of the rows"
    )
    max_unknown: Fraction = Field(
        0.05, description="rule `unknown`: share of rows with source symbols that training has not seen"
    )
    max_length_ratio: float = Field(
        50.0, ge=1, allow_inf_nan=False, description="rule `lengths`: the longest source over the median one"
    )
    fail: tuple[CheckRule, ...] = Field((), description="rules that end the run where they are not kept; others warn")


class TrainingChecks(Checks):
    """What training data must keep to."""

    min_rows: int = Field(100, ge=0, description="rule `rows`: training pairs at least")
    max_overlap: Fraction = Field(
        0.0, description="rule `overlap`: share of held-out rows whose source is in training too"
    )
    max_drift: float = Field(
        0.25,
        gt=0,
        allow_inf_nan=False,
        description="rule `drift`: population stability index, against the training data of the promoted model, from "
        "which lengths or symbols are shifted",
    )


class BatchChecks(Checks):
    """What rows to predict must keep to; drift's limit is `drift_threshold`."""

    sample_rows: int = Field(
        100_000,
        ge=0,
        description="rows that are looked at before the first is predicted, the first ones of each file; 0: none",
    )
