"""Settings of `[evaluation]`: how a model is proven."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tasks.seq2seq.data.backtest import Backtest
from tasks.seq2seq.settings.section import Section

TokenScore = Annotated[bool, "tokens"]  # whether a score of tokens is reported that not everybody wants


class EvaluationSettings(Section):
    """How the model is proven, and what it takes to be promoted."""

    n_samples: int = Field(
        100, ge=1, description="fresh samples of a synthetic problem (files: all test rows are taken)"
    )
    n_examples: int = Field(10, ge=0, description="samples shown as source, expected and predicted")
    min_sequence_accuracy: float = Field(
        0.95,
        ge=0,
        le=1,
        description="the gate for tokens: share of sequences that must be right, in [0, 1]; for embeddings, of those "
        "whose nearest neighbour must be",
    )
    max_relative_mae: float = Field(
        1.0,
        gt=0,
        allow_inf_nan=False,
        description="the gate for vectors: mean absolute error over that of the best simple forecast that must not "
        "be reached",
    )
    backtest_origins: int | None = Field(
        None,
        ge=1,
        description="of series: how many origins of each are scored, the last ones of its test span, by the gate too "
        "(all)",
    )
    backtest_stride: int | None = Field(
        None,
        ge=1,
        description="of series: time steps from one origin that is scored to the next (data.stride; with "
        "evaluation.backtest_origins, data.horizon)",
    )
    max_drop: float = Field(
        0.0,
        ge=0,
        le=1,
        description="how much worse than the promoted model a new one may be on the holdout, in [0, 1]: a difference "
        "of accuracies, or a share of the promoted model's error",
    )
    bleu: TokenScore = Field(False, description="report BLEU by sacrebleu")
    chrf: TokenScore = Field(False, description="report chrF by sacrebleu")

    @property
    def backtest(self) -> Backtest:
        """Which windows of series are scored."""
        return Backtest(self.backtest_origins, self.backtest_stride)


BACKTEST = ("backtest_origins", "backtest_stride")
TOKEN_SCORES = tuple(name for name, field in EvaluationSettings.model_fields.items() if "tokens" in field.metadata)
