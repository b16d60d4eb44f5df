"""Checkpoints: a training between two epochs on disk, so that a killed one goes on where it was.

    <store>/training/.checkpoint-<key>/
        state.json       which epoch, whose key, JSON values of each part, digest of the arrays; written last
        epoch-N.npz      arrays of each part: no pickle goes in or comes out

A checkpoint is whole or not there: `state.json` is replaced in one step and names the arrays that belong to it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.training.snapshot import Snapshot
from tasks.storage.files.archives import load_arrays
from tasks.storage.files.atomic import explain_os_errors, remove_tree, write_atomically, written_aside
from tasks.storage.files.digests import file_digest
from tasks.storage.files.json_files import first_fault, load_json
from tasks.storage.store.manifest import canonical_digest

CHECKPOINT_FORMAT_VERSION = 1
_STATE = "state.json"


class Checkpoint:
    """The one checkpoint of a training, the last that was written."""

    def __init__(self, folder: Path, key: str) -> None:
        """Takes where it lies, and the key of the training's inputs."""
        self.folder, self._key = folder, key

    @property
    def is_there(self) -> bool:
        """Whether there is one, good or bad."""
        return (self.folder / _STATE).exists()

    def write(self, snapshot: Snapshot) -> None:
        """Replaces the checkpoint.

        Raises:
            ArtifactError: it cannot be written; the one before is still there.
        """
        file = self.folder / f"epoch-{snapshot.epochs}.npz"
        arrays = {f"{name}/{i}": array for name, part in snapshot.arrays.items() for i, array in enumerate(part)}
        with explain_os_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            with written_aside(file) as made, made.open("wb") as sink:
                np.savez(sink, allow_pickle=False, **arrays)
            state = {
                "format_version": CHECKPOINT_FORMAT_VERSION,
                "key": self._key,
                "epochs": snapshot.epochs,
                "facts": snapshot.facts,
                "arrays": {name: len(part) for name, part in snapshot.arrays.items()},
                "file": {"name": file.name, "sha256": file_digest(file)},
            }
            write_atomically(self.folder / _STATE, json.dumps({**state, "checksum": canonical_digest(state)}))
            for other in self.folder.iterdir():  # the epoch before, and what a killed run was writing
                if other.name not in (file.name, _STATE):
                    other.unlink()

    def read(self) -> Snapshot | None:
        """The training as it was when the checkpoint was written; None where there is none.

        Raises:
            ArtifactError: it was cut short or altered, or is of another training.
        """
        if not self.is_there:
            return None
        try:
            state = self._checked()
            arrays = self._arrays(state)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ArtifactError(
                f"the checkpoint {self.folder} cannot be read ({first_fault(error)}): it was cut or altered"
            ) from error
        return Snapshot(state["epochs"], state["facts"], arrays)

    def remove(self) -> None:
        """Removes it, if it is there."""
        if self.folder.exists():
            remove_tree(self.folder)

    def _checked(self) -> dict[str, Any]:
        state: dict[str, Any] = load_json(self.folder / _STATE)
        if state.pop("checksum") != canonical_digest(state):
            raise ArtifactError(f"the checkpoint {self.folder} was altered: its checksum does not fit")
        if state["format_version"] != CHECKPOINT_FORMAT_VERSION or state["key"] != self._key:
            raise ArtifactError(
                f"the checkpoint {self.folder} is of another training: format or key are not this one's"
            )
        if file_digest(self._file(state)) != state["file"]["sha256"]:
            raise ArtifactError(f"the checkpoint {self.folder} was cut or altered: its arrays do not fit their digest")
        return state

    def _arrays(self, state: dict[str, Any]) -> dict[str, list[Any]]:
        arrays = load_arrays(self._file(state))
        return {name: [arrays[f"{name}/{i}"] for i in range(n)] for name, n in state["arrays"].items()}

    def _file(self, state: dict[str, Any]) -> Path:
        return self.folder / Path(state["file"]["name"]).name
