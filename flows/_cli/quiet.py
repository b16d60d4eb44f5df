"""What keeps libraries' notices to themselves, whoever imports a flow; imported before any of them is.

Environment variables, since the libraries read them as they load, and children are to have them too.
"""

from __future__ import annotations

import os

_SET = {
    "DO_NOT_TRACK": "1",  # at a terminal Prefect would tell its makers of a new user
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",  # where Python calls a flow
    "TF_CPP_MIN_LOG_LEVEL": "3",  # TensorFlow would tell of the processor and of graphics cards
}


def keep_notices() -> None:
    """Sets what is not set yet."""
    for name, value in _SET.items():
        os.environ.setdefault(name, value)
