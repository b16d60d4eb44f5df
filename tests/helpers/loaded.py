"""What a worker has loaded, asked for by a call."""

import os
import sys


def answer(_request, _told):
    """Whether the process that predicts has loaded what it should not need, and the threads that its libraries take."""
    import tasks.predict_worker  # noqa: F401 - in the worker, where it counts

    return {
        **{name: name in sys.modules for name in ("prefect", "tensorflow")},
        "threads": os.environ["OMP_NUM_THREADS"],
    }
