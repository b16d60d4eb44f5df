"""A training step that is stopped, what its next run makes of it, and one of mixed precision."""

import shutil
import signal

import pytest

from tasks.export import export_model
from tasks.generate import generate_dataset
from tasks.initial_weights import checkpoint_of
from tasks.seq2seq.cpu import cpu_flags
from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.checkpoint import Checkpoint
from tasks.storage.artifacts.keras_models import load_keras_models
from tasks.storage.store.artifact_store import Store
from tasks.train import train_model, training_inputs, write_training
from tests.helpers.logs import listening

EXPERIMENT = check_experiment(
    {
        "data": {"problem": "copy", "n_in": 2, "cardinality": 8, "n_samples": 320},
        "model": {"units": 4, "embedding": 4, "dropout": 0.1},
        "training": {"batch_size": 16, "epochs": 4},
        "evaluation": {"n_samples": 5},
    }
)


@pytest.fixture
def said():
    with listening() as records:
        yield records


class Interrupting(Checkpoint):
    """Presses Ctrl-C once two epochs are kept."""

    def write(self, snapshot):
        super().write(snapshot)
        if snapshot.epochs == 2:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The dataset, and a training that was not stopped, in a store of its own."""
    store = tmp_path_factory.mktemp("whole")
    dataset = generate_dataset.fn(EXPERIMENT, store)
    return dataset, train_model.fn(EXPERIMENT, dataset, store)


@pytest.fixture
def dataset(whole):
    return whole[0]


@pytest.fixture(scope="module")
def stopped(whole, tmp_path_factory):
    """A store with the checkpoint of a training that was stopped after its second epoch, and what was said then."""
    folder = tmp_path_factory.mktemp("stopped")
    step = training_inputs(EXPERIMENT, {"dataset": whole[0].digest}, Store(folder))
    checkpoint = Interrupting(checkpoint_of(step, Store(folder)).folder, step.key)
    with listening() as said, pytest.raises(KeyboardInterrupt):
        write_training(EXPERIMENT, whole[0], tmp_path_factory.mktemp("making"), checkpoint=checkpoint)
    return folder, said


@pytest.fixture
def store(stopped, tmp_path):
    shutil.copytree(stopped[0], tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def checkpoint(dataset, store):
    checkpoint = checkpoint_of(training_inputs(EXPERIMENT, {"dataset": dataset.digest}, Store(store)), Store(store))
    assert checkpoint.is_there
    return checkpoint


def test_a_training_that_is_stopped_says_that_the_same_command_goes_on(stopped):
    assert stopped[1][-1].startswith("Training was stopped; the same command goes on after the last finished epoch")


def test_a_training_that_was_stopped_goes_on_and_makes_the_same_artifact(dataset, store, whole, checkpoint, said):
    training = train_model.fn(EXPERIMENT, dataset, store)
    assert "Training goes on after epoch 2 of 4, where an earlier run ended" in said
    assert training.digest == whole[1].digest
    assert training.figures["resumed_after"] == [2]
    assert not checkpoint.folder.exists()
    assert [path.name for path in (store / "training").iterdir()] == [training.digest]


def test_a_checkpoint_that_was_cut_is_told_and_training_starts_anew(dataset, store, whole, checkpoint, said):
    arrays = checkpoint.folder / "epoch-2.npz"
    arrays.write_bytes(arrays.read_bytes()[:-1])
    training = train_model.fn(EXPERIMENT, dataset, store)
    assert any(line.startswith("Training starts anew: the checkpoint") for line in said)
    assert training.digest == whole[1].digest
    assert training.figures["resumed_after"] == []


def test_a_refresh_starts_anew(dataset, store, checkpoint):
    training = train_model.fn(EXPERIMENT, dataset, store, refresh=True)
    assert training.figures["resumed_after"] == []


def test_a_model_of_mixed_precision_is_exported_as_one_of_float32(dataset, tmp_path, said):
    raw = EXPERIMENT.model_dump(exclude_unset=True)
    mixed = check_experiment({**raw, "training": {"precision": "mixed_float16", "max_seconds": 0.001}})
    training = train_model.fn(mixed, dataset, tmp_path)
    bundle = export_model.fn(mixed, dataset, training, tmp_path)
    for model in load_keras_models(bundle, Store(tmp_path)):
        assert {layer.compute_dtype for layer in model.layers if layer.weights} == {"float32"}
    fast = {"avx512_fp16", "amx_fp16"} & cpu_flags()
    warned = (
        "training.precision mixed_float16 is slow here: it takes a GPU, or a processor with avx512_fp16 or amx_fp16"
    )
    assert (warned in said) is not bool(fast)


@pytest.mark.parametrize(
    "deterministic",
    [pytest.param(False, marks=pytest.mark.slow), pytest.param(True, marks=pytest.mark.exhaustive)],
)
def test_two_processes_train_to_the_same_weights_bit_by_bit(run_python, tmp_path, deterministic):
    """On a CPU in any case; with the option the bits are others, since other operations are chosen."""
    code = """
        import sys
        from pathlib import Path
        from tasks.generate import generate_dataset
        from tasks.seq2seq.settings.rules import check_experiment
        from tasks.train import train_model
        from tests.tasks.test_resume import EXPERIMENT
        raw = EXPERIMENT.model_dump(exclude_unset=True)
        raw["training"]["deterministic"] = sys.argv[2] == "True"
        experiment, store = check_experiment(raw), Path(sys.argv[1])
        print(train_model.fn(experiment, generate_dataset.fn(experiment, store), store).digest)
        """
    stores = (str(tmp_path / name) for name in "ab")
    first, second = (run_python(code, store, str(deterministic)).splitlines()[-1] for store in stores)
    assert first == second


def test_a_checkpoint_lies_in_the_store_under_its_whole_key_and_never_beyond_a_link(tmp_path):
    """Two trainings whose keys begin alike do not take each other's."""
    step, store = (
        training_inputs(EXPERIMENT, {"dataset": "d" * 64}, Store(tmp_path / "store")),
        Store(tmp_path / "store"),
    )
    assert checkpoint_of(step, store).folder == store.root / "training" / f".checkpoint-{step.key}"
    (tmp_path / "outside").mkdir()
    store.prepare()
    (store.root / "training").symlink_to(tmp_path / "outside")
    with pytest.raises(ArtifactError, match="training is a link; expected a folder"):
        checkpoint_of(step, store)
