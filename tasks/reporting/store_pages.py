"""The index of a store as pages: what serves under each name, how it came to that, and where all reports are.

They are static: a browser opens them from the disk, and every link is relative to the folder that they are in.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tasks.reporting.batch_page import PAGE as BATCH_PAGE
from tasks.reporting.batch_page import RUN
from tasks.reporting.history import draw_history
from tasks.reporting.leaderboard import as_page, make_boards
from tasks.reporting.pages import html_pages
from tasks.reporting.pipeline_picture import Box, draw_pipeline
from tasks.reporting.sweep_page import write_score
from tasks.reporting.wording import name_of_field
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.sweep.leaderboard import leading_score
from tasks.seq2seq.sweep.trials import interval_of
from tasks.storage.files.json_files import parse_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.experiments import StoredExperiment, list_experiments
from tasks.storage.store.inventory import Inventory, Stored, take_inventory
from tasks.storage.store.kinds import DATASET, REPORT, SWEEP, TRAINING
from tasks.storage.store.manifest import short
from tasks.storage.store.promotions import Decision, Promotions

FOLDER, INDEX, LEADERBOARD = "pages", "index.html", "leaderboard.html"
Row = dict[str, Any]


def make_pages(store: Store, outputs: Sequence[Path]) -> dict[str, str]:
    """The pages by the names of their files.

    Args:
        store: on this machine.
        outputs: folders of predictions.

    Raises:
        SettingsError: a folder holds no predictions.
        ArtifactError: a record of promotions cannot be read.
    """
    experiments = list_experiments(store)
    index = _Index(store, take_inventory(store), experiments)
    page = html_pages().get_template("store.html.jinja")
    context = {
        "store": store.shown,
        "names": [index.name(name, one) for name, one in sorted(index.inventory.promotions.items())],
        "sweeps": index.sweeps(),
        "batches": [_batch(folder, index.folder) for folder in outputs],
        "n_experiments": len(experiments),
        "leaderboard": LEADERBOARD,
    }
    return {INDEX: page.render(context), LEADERBOARD: as_page(make_boards(experiments, None), store.shown)}


@dataclass(frozen=True)
class _Index:
    """What a store holds, and how its pages tell of it."""

    store: Store
    inventory: Inventory
    experiments: Sequence[StoredExperiment]

    @property
    def folder(self) -> Path:
        return self.store.root / FOLDER

    @cached_property
    def _by_digest(self) -> dict[str, Stored]:
        return {one.digest: one for one in self.inventory.artifacts if one.fault is None}

    @cached_property
    def _users(self) -> dict[str, list[Stored]]:
        return self.inventory.used_by()

    @cached_property
    def _scores(self) -> dict[str, Mapping[str, Any]]:
        return {one.bundle: one.evaluation for one in self.experiments if one.evaluation}

    def name(self, name: str, promotions: Promotions) -> Row:
        """A name with all decisions about it, the newest first."""
        decisions = promotions.decisions
        metric = leading_score([self._scores.get(one.model) for one in decisions])
        rows = [self._decision(one, metric) for one in decisions]
        serving = next((row for row in reversed(rows) if row["digest"] == promotions.promoted), None)
        return {
            "name": name,
            "metric": name_of_field(metric),
            "serving": serving,
            "pipeline": serving and self._pipeline(serving["digest"], serving["evaluation"]),
            "history": self._history(decisions, metric),
            "decisions": rows[::-1],
        }

    def _decision(self, one: Decision, metric: str) -> Row:
        scores = self._scores.get(one.model, {})
        return {
            "at": one.at.strftime("%Y-%m-%d %H:%M"),
            "model": short(one.model),
            "digest": one.model,
            "evaluation": one.evaluation,
            "score": write_score(scores.get(metric), interval_of(metric, scores)),
            "promoted": one.promoted,
            "by": one.by,
            "reason": one.reason,
            "report": self._report(one),
        }

    def _report(self, one: Decision) -> str | None:
        users = self._users.get(one.evaluation or one.model, [])
        reports = [user for user in users if user.kind == REPORT and user.fault is None]
        return self._link(reports[-1]) if reports else None

    def _link(self, one: Stored) -> str:
        page = self.store.manifest(one.kind, one.digest).facts.get("page", f"{one.kind}.html")
        return link_from(self.folder, one.path / str(page))

    def _history(self, decisions: Sequence[Decision], metric: str) -> Any:  # noqa: ANN401 - a picture, or None
        scores = [self._scores.get(one.model, {}).get(metric) for one in decisions]
        if sum(score is not None for score in scores) < 2:  # noqa: PLR2004 - one dot is no course of time
            return None
        serving: list[float | None] = []
        for one, score in zip(decisions, scores, strict=True):
            serving.append(score if one.promoted else serving[-1] if serving else None)
        return draw_history(scores, serving, name_of_field(metric), ("model", "the one that serves"))

    def _pipeline(self, bundle: str, evaluation: str | None) -> Any:  # noqa: ANN401 - a picture, or None
        chain = [one for one in self._chain(bundle, evaluation) if one]
        boxes = [
            Box(one.kind, short(one.digest), one.made_at.strftime("%Y-%m-%d %H:%M"), self._was_there(one, following))
            for one, following in zip(chain, [*chain[1:], None], strict=True)
        ]
        return draw_pipeline(boxes) if boxes else None

    def _chain(self, bundle: str, evaluation: str | None) -> Iterator[Stored | None]:
        made_from = self._by_digest[bundle].made_from if bundle in self._by_digest else {}
        for digest in (made_from.get(DATASET), made_from.get(TRAINING), bundle, evaluation):
            yield self._by_digest.get(digest or "")
        yield next((one for one in self._users.get(evaluation or "", []) if one.kind == REPORT), None)

    def _was_there(self, one: Stored, following: Stored | None) -> bool:
        """Whether an earlier run had made it: something like what follows was made of it before."""
        users = self._users.get(one.digest, [])
        return following is not None and any(
            user.kind == following.kind and user.made_at < following.made_at for user in users
        )

    def sweeps(self) -> list[Row]:
        """The pages of sweeps, the newest first."""
        found = [one for one in self.inventory.artifacts if one.kind == SWEEP and one.fault is None]
        return [
            {"name": one.name or "", "at": one.made_at.strftime("%Y-%m-%d %H:%M"), "page": self._link(one)}
            for one in reversed(found)
        ]


def _batch(outputs: Path, folder: Path) -> Row:
    """A folder of predictions, as its last run left it."""
    try:
        run: Row = parse_json((outputs / RUN).read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"--outputs {outputs} holds no predictions: {RUN} cannot be read ({error}); name the folder that "
            f"--output of batch_predict named"
        ) from error
    return {
        "folder": str(outputs),
        "page": link_from(folder, outputs / BATCH_PAGE),
        "model": f"{run['model']['name'] or ''} {short(run['model']['digest'])}".strip(),
        **{name: run[name] for name in ("read", "predicted", "rejected", "failed")},
    }


def link_from(folder: Path, path: Path) -> str:
    """A file as a page in a folder links it."""
    return quote(Path(os.path.relpath(path, folder)).as_posix())
