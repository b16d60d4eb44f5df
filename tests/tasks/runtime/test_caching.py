import os
from pathlib import Path
from typing import Any

import pytest
from prefect.states import State

from tasks.evaluate import evaluation_inputs
from tasks.export import bundle_inputs
from tasks.generate import dataset_inputs, generate_dataset
from tasks.runtime.caching import (
    finished,
    make_once,
    step_inputs,
)
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import Handle
from tasks.train import training_inputs
from tests.helpers.logs import listening
from tests.helpers.settled import SETTLED

TINY = {
    "data": {"problem": "copy", "n_in": 3, "cardinality": 9, "n_samples": 50},
    "evaluation": {"n_samples": 5},
}
INPUTS = StepInputs("dataset", {}, {}, {}, {})


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture
def said():
    """What the caching layer logs."""
    with listening() as messages:
        yield messages


class Writer:
    """Fills a folder and counts how often."""

    def __init__(self, content="content"):
        self.content, self.calls = content, 0

    def __call__(self, folder):
        self.calls += 1
        (folder / "a.txt").write_text(self.content)
        return Made({"rows": 3})


def test_a_step_is_made_once_and_found_from_then_on(store):
    writer = Writer()
    made, found = make_once(INPUTS, store, writer), make_once(INPUTS, store, writer)
    assert writer.calls == 1
    assert (made.cached, found.cached) == (False, True)
    assert found.model_copy(update={"cached": False, "seconds": made.seconds}) == made


def test_a_damaged_artifact_is_made_again_and_the_log_says_why(store, said):
    writer = Writer()
    handle = make_once(INPUTS, store, writer)
    os.truncate(handle.path / "a.txt", 3)
    again = make_once(INPUTS, store, writer)
    assert (writer.calls, again.cached) == (2, False)
    assert said[0] == "Making dataset: not made yet"
    assert "a.txt has 3 bytes, expected 7: it was cut or altered" in said[1]


def test_a_refresh_makes_again_what_is_there_and_the_log_says_why(store, said):
    make_once(INPUTS, store, Writer())
    writer = Writer("new")
    handle = make_once(INPUTS, store, writer, refresh=True)
    assert (writer.calls, handle.cached) == (1, False)
    assert make_once(INPUTS, store, writer).digest == handle.digest
    assert said[1] == "Making dataset: a refresh was asked for"


def test_a_step_that_failed_is_tried_anew(store):
    def fails(_folder):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        make_once(INPUTS, store, fails)
    assert not make_once(INPUTS, store, Writer()).cached


def test_two_processes_that_come_for_one_step_at_once_make_it_once(store, start_python, tmp_path):
    processes = [
        start_python(
            """
            import pathlib, sys, time
            from tasks.runtime.caching import make_once
            from tasks.storage.store.artifact_store import Store
            from tasks.storage.store.making import Made, StepInputs

            def write(folder):
                with open(sys.argv[2], "a") as file:
                    file.write("made ")
                time.sleep(1)
                (folder / "a.txt").write_text("content")
                return Made({})

            print("ready", flush=True)
            sys.stdin.readline()
            handle = make_once(StepInputs("dataset", {}, {}, {}, {}), Store(pathlib.Path(sys.argv[1])), write)
            print(handle.cached, handle.digest)
            """,
            store.root,
            tmp_path / "count",
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate()[0].split() for process in processes]
    assert (tmp_path / "count").read_text() == "made "
    assert sorted(cached for cached, _ in answers) == ["False", "True"]
    assert len({digest for _, digest in answers}) == 1


def test_a_tasks_function_gives_a_handle_on_a_miss_and_a_cached_state_on_a_hit(store):
    experiment = Experiment.model_validate(TINY)
    made = generate_dataset.fn(experiment, store.root)
    found = generate_dataset.fn(experiment, store.root)
    assert isinstance(made, Handle)
    assert isinstance(found, State)
    assert (found.name, found.is_completed()) == ("Cached", True)
    assert found.result().cached
    assert (found.result().digest, found.result().path) == (made.digest, made.path)


def test_a_refreshed_task_gives_its_handle_and_the_same_artifact(store):
    experiment = Experiment.model_validate(TINY)
    made = generate_dataset.fn(experiment, store.root)
    again = generate_dataset.fn(experiment, store.root, refresh=True)
    assert isinstance(again, Handle)
    assert not again.cached
    assert again.digest == made.digest


def test_only_a_found_handle_ends_in_a_state(store):
    handle = make_once(INPUTS, store, Writer())
    assert finished(handle) is handle
    state: Any = finished(handle.model_copy(update={"cached": True}))
    assert state.name == "Cached"


NO_STORE = Store(Path("/nowhere"))


def keys(raw):
    """The keys of all steps of an experiment, on a dataset and weights that stay the same."""
    experiment = Experiment.model_validate(raw)
    made = {"dataset": "d", "training": "t", "bundle": "b"}
    return {
        "dataset": dataset_inputs(experiment, {}, NO_STORE).key,
        "training": training_inputs(experiment, made, NO_STORE).key,
        "bundle": bundle_inputs(experiment, made, NO_STORE).key,
        "evaluation": evaluation_inputs(experiment, made, NO_STORE).key,
    }


@pytest.mark.parametrize(
    ("change", "made_again"),
    [
        ({"name": "other"}, set()),
        ({"evaluation": {"min_sequence_accuracy": 0.1}}, set()),
        ({"data": {"problem": "reverse_first", "n_in": 6, "n_out": 3, "cardinality": 50}}, set()),
        ({"evaluation": {"n_examples": 3}}, {"evaluation"}),
        ({"evaluation": {"n_samples": 50}}, {"dataset"}),
        ({"data": {"cardinality": 40}}, {"dataset"}),
        ({"data": {"n_samples": 10}}, {"dataset"}),
        ({"seed": 1}, {"dataset", "training"}),
        ({"training": {"epochs": 2}}, {"training"}),
        ({"training": {"loss": "sparse_categorical_crossentropy"}}, {"training", "bundle", "evaluation"}),
        ({"training": {"patience": 3}}, {"training"}),
        ({"training": {"tensorboard": "/logs"}}, set()),
        ({"export": {"onnx": True}}, set()),
        ({"evaluation": {"bleu": True}}, {"evaluation"}),
        ({"model": {"units": 64}}, {"training", "bundle"}),
        ({"model": {"train_vectors": False}}, {"training", "bundle"}),
    ],
)
def test_a_setting_is_in_the_key_of_the_steps_that_it_matters_to(change, made_again):
    """And in no other: what stays the same is not made again."""
    before, after = keys({}), keys(change)
    assert {step for step in before if before[step] != after[step]} == made_again


def test_a_dataset_of_files_is_keyed_by_content_and_not_by_place(tmp_path):
    def key(name, content):
        (tmp_path / name).write_bytes(content)
        return dataset_inputs(Experiment.model_validate({"data": {"train": tmp_path / name}}), {}, NO_STORE).key

    assert key("a.parquet", b"1") == key("b.parquet", b"1")
    assert key("a.parquet", b"1") != key("a.parquet", b"2")


def test_a_training_is_keyed_by_the_content_of_pre_trained_vectors_and_not_by_their_place(tmp_path):
    def steps(name, content="a 1 2", side="source"):
        (tmp_path / name).write_text(content)
        return keys({"model": {f"{side}_vectors": tmp_path / name}})

    before = steps("a.txt")
    assert steps("b.txt") == before
    for other in (keys({}), steps("a.txt", "a 1 3 "), steps("a.txt", side="target")):
        assert {step for step in before if before[step] != other[step]} == {"training"}


@pytest.mark.parametrize(
    ("change", "made_again"),
    [
        ({"source": "source", "target": ["target"]}, set()),
        ({"kind": "files"}, set()),
        ({"source": "question"}, {"dataset"}),
        ({"source_encoding": "characters"}, {"dataset"}),
        ({"unknown": "reject"}, {"dataset"}),
        ({"max_source_length": 5}, {"dataset"}),
        ({"quote": ""}, {"dataset"}),
        ({"history": 3, "horizon": 2, "season": 12}, {"dataset"}),
    ],
)
def test_a_setting_of_files_is_in_the_key_of_their_dataset_if_it_says_something_new(tmp_path, change, made_again):
    (tmp_path / "a.csv").write_text("source,target\n1,2\n")
    before, after = (
        keys({"data": {"train": tmp_path / "a.csv"}}),
        keys({"data": {"train": tmp_path / "a.csv", **change}}),
    )
    assert {step for step in before if before[step] != after[step]} == made_again


def test_each_file_of_a_folder_and_its_part_in_the_splits_is_in_the_key(tmp_path):
    def key(**data):
        return dataset_inputs(Experiment.model_validate({"data": {**data, **SETTLED}}), {}, NO_STORE).key

    for name, content in (("x/a.csv", "a"), ("x/b.csv", "b"), ("y/c.csv", "a"), ("y/d.csv", "b"), ("z/a.csv", "a")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    x, y, z = (tmp_path / name for name in "xyz")
    assert key(train=x) == key(train=y) != key(train=z)
    assert key(train=x, test=z) != key(train=z, test=x)
    assert key(train=x, test=z) != key(train=x, validation=z)


def test_the_version_of_a_library_is_in_the_key():
    step = step_inputs("dataset", Experiment(), settings={}, made_from={}, code="tasks.generate", libraries=("numpy",))
    other = step_inputs(
        "dataset", Experiment(), settings={}, made_from={}, code="tasks.generate", libraries=("pyarrow",)
    )
    assert set(step.versions) == {"numpy"}
    assert step.key != other.key
