"""What a worker of a sweep does: `answer` makes trials, one after another.

It keeps TensorFlow for the next one, asks no Prefect server, and ends with the sweep, however that ends.
"""

from __future__ import annotations

import functools
import os
import threading
import time
from typing import Any

from tasks.runtime.runners import Told
from tasks.seq2seq.cpu import use_at_most

SECONDS_BETWEEN_LOOKS = 1.0


def answer(request: dict[str, Any], _told: Told) -> dict[str, Any]:
    """Makes a trial, and says what came of it."""
    end_with(request["starter"])
    from flows._pipelines.trials import make_trial  # noqa: PLC0415 - whoever started it is watched first

    use_at_most(request["cores"])
    return make_trial(request).model_dump(mode="json")


@functools.cache
def end_with(starter: int) -> None:
    """Ends this process soon after the one that started it.

    A training takes hours, and nobody would be told of it; its last whole epoch is kept for whoever goes on.
    """

    def watch() -> None:
        while os.getppid() == starter:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
