"""What a worker of a sweep does: it makes trials, keeps TensorFlow for the next one, and asks no Prefect server."""

from __future__ import annotations

from typing import Any

from tasks.runtime.runners import Told
from tasks.seq2seq.cpu import use_at_most


def answer(request: dict[str, Any], _told: Told) -> dict[str, Any]:
    """Makes a trial, and says what came of it."""
    from flows._pipelines.trials import make_trial  # noqa: PLC0415 - whoever started it is watched first

    use_at_most(request["cores"])
    return make_trial(request).model_dump(mode="json")
