"""A worker of a sweep that trains nothing: it does what its trial's settings say."""

import os
import signal
from pathlib import Path

from tasks.seq2seq.errors import TrainingError


def answer(request, _told):
    """Ends by a signal, or once only, or refuses; else says the score that it is given."""
    trial, folder = request["trial"], Path(request["store"])
    what = trial["settings"]["model.units"]
    if what == "die" or (what == "die once" and not (folder / "died").exists()):
        (folder / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "refuse":
        raise TrainingError("the loss is not a number")
    return {**trial, "state": "scored", "score": 0.5}
