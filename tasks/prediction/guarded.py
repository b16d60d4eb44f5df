"""Files in the hands of worker processes, one of which may die by a file: that file fails by name, the others go on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tasks.runtime.log import logger
from tasks.runtime.runners import Told, WorkerEnded, Workers
from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.where import Where

ANSWER = "tasks.predict_worker:answer"  # what workers call
Outcome = dict[str, Any]  # of a file, as JSON


def request_of(kind: str, settings: BatchSettings, store: Where, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    """A request of a run, with what its kind needs beside settings and store."""
    given = settings.model_dump_json(exclude_unset=True)  # what is not set is the model's own
    return {"kind": kind, "settings": given, "store": str(store), **more}


def ended_by(path: str, done: str, how: str) -> str:
    """What is said of a file that ended the process which had it."""
    return f"{path} cannot be {done}: it ended the process that had it ({how}); is it damaged? make or copy it again"


class FilesOfWorkers:
    """Sends files by name to workers, and learns what became of each.

    A worker says `begun` before it touches a file and `done` with what came of it. Where it ends in between, the files
    that it had begun are tried again, each alone: one that ends a worker alone, too, is to blame.
    """

    def __init__(self, workers: Workers, base: dict[str, Any], failed: Callable[[str, str], Outcome]) -> None:
        """Takes the workers, what is the same in all requests, and what a file is whose worker ended: name, how."""
        self._workers, self._base, self._failed = workers, base, failed

    def run(self, names: Sequence[str], told: Told = lambda _news: None) -> Iterator[tuple[str, Outcome]]:
        """What became of each file, in any order.

        Args:
            names: of the files.
            told: is told what else workers say.

        Raises:
            ArtifactError: a worker ended before it began with any file, as without memory to load a model.
            Seq2SeqError: what a worker says is wrong, whatever the file.
        """
        waiting = list(names)
        while waiting:
            done, begun, ended = self._ask(waiting, told)
            yield from done.items()
            waiting = [name for name in waiting if name not in done]
            if ended is None:
                return
            suspects = [name for name in waiting if name in begun]
            if not suspects:
                raise ArtifactError(f"a worker process ended before it opened a file: {ended}; run again")
            waiting = [name for name in waiting if name not in begun]
            if len(suspects) == 1:
                logger().error("A worker process ended while it had %s: %s", suspects[0], ended)
                yield suspects[0], self._failed(suspects[0], ended)
            else:
                for name in suspects:
                    yield from self.run([name], told)

    def _ask(self, names: Sequence[str], told: Told) -> tuple[dict[str, Outcome], set[str], str | None]:
        """What is done, which were begun, and how the worker ended, if it did."""
        done: dict[str, Outcome] = {}
        begun: set[str] = set()

        def listen(news: dict[str, Any]) -> None:
            if "begun" in news:
                begun.add(news["begun"])
            elif "done" in news:
                done[news["done"]] = news["outcome"]
            elif "message" in news:
                logger().log(news["level"], "%s", news["message"])
            else:
                told(news)

        try:
            self._workers.run(ANSWER, {**self._base, "names": list(names)}, listen)
        except WorkerEnded as ended:
            return done, set(names) if ended.is_mute else begun, str(ended)
        return done, begun, None
