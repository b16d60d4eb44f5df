"""What a worker process runs: `python -m tasks.runtime.worker CALL` answers calls until there are no more.

Standard output is for the answers; what libraries print goes to standard error. The CALL names the first function, so
that a process says in the system's list what it is for, and what cannot be loaded is said at once.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from typing import Any

from tasks.runtime.runners import find_call
from tasks.seq2seq.errors import Seq2SeqError


def serve_calls() -> None:
    """Answers the calls of standard input."""
    with os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8") as out:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

        def say(line: dict[str, Any]) -> None:
            out.write(json.dumps(line) + "\n")
            out.flush()

        for asked in _calls():
            try:
                say({"answer": find_call(asked["call"])(asked["request"], lambda told: say({"told": told}))})
            except Seq2SeqError as error:
                say({"error": str(error)})


def _calls() -> Iterator[dict[str, Any]]:
    for line in sys.stdin:
        yield json.loads(line)


if __name__ == "__main__":
    find_call(sys.argv[1])
    serve_calls()
