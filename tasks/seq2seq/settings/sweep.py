"""Settings of `[sweep]`: an experiment, and which of its settings are tried with which values."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.section import Section

Direction = Literal["maximize", "minimize"]


class SearchSettings(Section):
    """What is tried, how often, and by what the trials are ranked."""

    trials: int = Field(20, ge=1, le=10_000, description="how many sets of settings are tried")
    generation: int = Field(
        4,
        ge=1,
        le=1_000,
        description="trials that are drawn at a time, before any of them is known; they run side by side",
    )
    metric: str | None = Field(
        None,
        description="score on the validation pairs by which trials are ranked (sequence_accuracy; of vectors mae, of "
        "embeddings nearest_neighbour_accuracy)",
    )
    direction: Direction | None = Field(None, description="which way the metric is better (as it says itself)")
    seed: int = Field(0, ge=0, lt=2**31, description="of the draws; the seed of the experiment is that of the trials")
    time_limit: float | None = Field(
        None,
        gt=0,
        allow_inf_nan=False,
        description="seconds after which no more trials are begun; what is there is ranked, and the best goes to the "
        "gate (no limit)",
    )
    workers: int | None = Field(
        None, ge=1, description="trials that are trained at once, each in a process of its own (one for each core)"
    )
    space: dict[str, Any] = Field(
        min_length=1,
        description="the values to try, by the names of settings: a list of choices, or { low = 1e-4, high = 1e-2, "
        "log = true }; as a table of the file, [sweep.space]",
        json_schema_extra={"metavar": "JSON"},
    )


class SweepSettings(Experiment):
    """An experiment, and a search over some of its settings."""

    sweep: SearchSettings = Field(description="what is tried")

    @property
    def stated(self) -> dict[str, Any]:
        """What is stated of the experiment itself, as `check_experiment` takes it; the others have their defaults."""
        return self.model_dump(mode="json", exclude={"sweep"}, exclude_unset=True)

    @property
    def experiment(self) -> Experiment:
        """The experiment alone."""
        return Experiment.model_validate(self.stated)
