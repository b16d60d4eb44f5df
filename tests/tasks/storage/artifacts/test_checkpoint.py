import json
from typing import Any

import numpy as np
import pytest

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.training.snapshot import Snapshot
from tasks.storage.artifacts.checkpoint import Checkpoint

FACTS = {"watch": {"loss": 0.1 + 0.2, "none": None}, "model": {}}
ARRAYS: dict[str, list[Any]] = {
    "watch": [],
    "model": [np.array([[1, 2]], np.float32), np.array([3, 4], np.uint32), np.int64(5)],
}


@pytest.fixture
def checkpoint(tmp_path):
    checkpoint = Checkpoint(tmp_path / "training" / ".checkpoint-1", "1")
    for epochs in (1, 2):
        checkpoint.write(Snapshot(epochs, FACTS, ARRAYS))
    return checkpoint


def test_a_checkpoint_gives_back_what_was_written_last_and_holds_no_more(checkpoint):
    snapshot = Checkpoint(checkpoint.folder, "1").read()
    assert (snapshot.epochs, snapshot.facts) == (2, FACTS)
    for array, was in zip(snapshot.arrays["model"], ARRAYS["model"], strict=True):
        assert array.dtype == was.dtype
        assert np.array_equal(array, was)
    assert snapshot.arrays["watch"] == []
    assert {path.name for path in checkpoint.folder.iterdir()} == {"state.json", "epoch-2.npz"}


def test_no_checkpoint_is_no_fault(tmp_path):
    checkpoint = Checkpoint(tmp_path / "none", "1")
    assert checkpoint.read() is None
    checkpoint.remove()
    assert not checkpoint.is_there


@pytest.mark.parametrize("file", ["state.json", "epoch-2.npz"])
def test_a_checkpoint_that_is_cut_or_altered_is_told_and_not_read(checkpoint, file):
    path = checkpoint.folder / file
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ArtifactError, match="was cut or altered"):
        checkpoint.read()
    path.write_bytes(whole.replace(b"2", b"3"))
    with pytest.raises(ArtifactError, match="altered"):
        checkpoint.read()
    path.unlink()
    with pytest.raises(ArtifactError, match="cut or altered") if file != "state.json" else pytest.MonkeyPatch.context():
        assert checkpoint.read() is None


@pytest.mark.parametrize("file", ["state.json", "epoch-2.npz"])
def test_a_checkpoint_of_which_any_bit_was_flipped_is_not_read(checkpoint, file):
    path = checkpoint.folder / file
    whole = path.read_bytes()
    for i in range(0, len(whole), 3):
        path.write_bytes(whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :])
        with pytest.raises(ArtifactError, match="altered"):
            checkpoint.read()
    path.write_bytes(whole)
    assert checkpoint.read().epochs == 2


def test_what_a_killed_run_was_writing_goes_with_the_next_epoch(checkpoint):
    (checkpoint.folder / ".epoch-3.npz.0123456789abcdef.tmp").write_bytes(b"PK")
    checkpoint.write(Snapshot(3, FACTS, ARRAYS))
    assert {path.name for path in checkpoint.folder.iterdir()} == {"state.json", "epoch-3.npz"}


def test_an_epoch_that_cannot_be_written_leaves_the_one_before_and_no_more(checkpoint, monkeypatch):
    def fails(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fails)
    for epochs in (2, 3):
        with pytest.raises(ArtifactError, match="No space"):
            checkpoint.write(Snapshot(epochs, FACTS, ARRAYS))
        assert checkpoint.read().epochs == 2
        assert {path.name for path in checkpoint.folder.iterdir()} == {"state.json", "epoch-2.npz"}


def test_a_checkpoint_of_another_training_is_not_read(checkpoint):
    with pytest.raises(ArtifactError, match="another training"):
        Checkpoint(checkpoint.folder, "2").read()


def test_an_epoch_that_was_being_written_when_the_run_was_killed_is_none(checkpoint):
    """The arrays are there and the state is not: the epoch before is the last."""
    before = (checkpoint.folder / "state.json").read_text()
    checkpoint.write(Snapshot(3, FACTS, ARRAYS))
    (checkpoint.folder / "epoch-3.npz").rename(checkpoint.folder / "epoch-2.npz")
    (checkpoint.folder / "state.json").write_text(before)
    (checkpoint.folder / "epoch-3.npz").write_bytes(b"PK")
    assert checkpoint.read().epochs == 2


def test_nothing_in_a_checkpoint_is_pickled(checkpoint, tmp_path):
    with pytest.raises(ValueError, match="pickle"):
        checkpoint.write(Snapshot(3, FACTS, {"model": [np.array([{}], object)]}))
    assert checkpoint.read().epochs == 2
    state = json.loads((checkpoint.folder / "state.json").read_text())
    assert state["file"]["name"] == "epoch-2.npz"
