"""What a worker process of a sweep does: `python -m flows._pipelines.trial_worker` makes trials, one after another.

It keeps TensorFlow for the next one, asks no Prefect server, and ends with the sweep, however that ends.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Any

from tasks.runtime.runners import Told, serve_requests
from tasks.seq2seq.cpu import use_at_most

SECONDS_BETWEEN_LOOKS = 1.0


def answer(request: dict[str, Any], _told: Told) -> dict[str, Any]:
    """Makes a trial, and says what came of it."""
    from flows._pipelines.trials import make_trial  # noqa: PLC0415 - whoever started it is watched first

    use_at_most(request["cores"])
    return make_trial(request).model_dump(mode="json")


def _end_with(starter: int) -> None:
    """A training takes hours, and nobody would be told of it; its last epoch is kept for whoever goes on."""
    while os.getppid() == starter:
        time.sleep(SECONDS_BETWEEN_LOOKS)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    serve_requests(answer)
