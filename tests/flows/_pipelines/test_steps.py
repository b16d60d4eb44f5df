from pathlib import Path

from prefect import flow, task

from flows._pipelines.model import DATASET_STEP, MODEL_STEPS
from flows._pipelines.steps import Step, needs_tensorflow, plan_steps, run_steps, shown
from tasks.runtime.caching import TASK_OPTIONS, finished, make_once, step_inputs
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.files.json_files import load_json, write_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.making import Made
from tasks.storage.store.manifest import Handle

EXPERIMENT = Experiment.model_validate(
    {"data": {"problem": "copy", "n_in": 3, "cardinality": 9, "n_samples": 50}, "evaluation": {"n_samples": 5}}
)


def counts_inputs(experiment, made, _store):
    return step_inputs(
        "counts",
        experiment,
        settings={},
        made_from={"dataset": made["dataset"]},
        code="tasks.generate",
        libraries=("numpy",),
    )


@task(**TASK_OPTIONS)
def count_rows(experiment, dataset, store, *, refresh=False):
    def write(folder: Path) -> Made:
        write_json(folder / "counts.json", dataset.facts["train_rows"])
        return Made({})

    step = counts_inputs(experiment, {"dataset": dataset.digest}, None)
    return finished(make_once(step, Store(store), write, refresh=refresh))


COUNTS = Step(
    "counts", count_rows, ("dataset",), key=counts_inputs, loads_tensorflow=True, outcome=lambda _: "they are counted"
)
STEPS = (DATASET_STEP, COUNTS)  # the whole of what it takes to add a step: a row, and the module above


@flow
def run(store, refresh=False) -> dict[str, Handle]:
    return run_steps(STEPS, EXPERIMENT, store, refresh=refresh)


def test_what_came_of_each_step_is_logged_and_whether_it_was_there(tmp_path, caplog):
    for was_there in ("", " (it was there)"):
        caplog.clear()
        run(tmp_path)
        assert caplog.messages.count(f"Counts: they are counted{was_there}") == 1
        assert (
            caplog.messages.count(f"Dataset: 50 training, 0 validation, 5 held-out pairs, 0 rows rejected{was_there}")
            == 1
        )


def test_a_step_that_is_added_to_the_table_is_run_planned_and_loaded_for(tmp_path):
    planned = plan_steps(STEPS, EXPERIMENT, tmp_path)
    assert [(step.name, step.cached, step.why) for step in planned] == [
        ("dataset", False, "not made yet"),
        ("counts", False, "its dataset would be made"),
    ]
    assert needs_tensorflow(STEPS, EXPERIMENT, Store(tmp_path))
    results = run(tmp_path)
    assert load_json(results["counts"].path / "counts.json") == 50
    assert [handle.kind for handle in shown(STEPS, results)] == ["dataset", "counts"]
    assert [step.why for step in plan_steps(STEPS, EXPERIMENT, tmp_path)] == [
        str(results[name].path) for name in ("dataset", "counts")
    ]
    assert not needs_tensorflow(STEPS, EXPERIMENT, Store(tmp_path))
    assert all(handle.cached for handle in run(tmp_path).values())
    assert not any(handle.cached for handle in run(tmp_path, refresh=True).values())


def test_a_step_that_is_not_asked_for_is_nowhere(tmp_path):
    names = [step.name for step in plan_steps(MODEL_STEPS, EXPERIMENT, tmp_path)]
    assert names == ["dataset", "checks", "training", "bundle", "evaluation", "promotion", "report"]
    exports = {"onnx": True, "saved_model": True}
    with_exports = EXPERIMENT.model_copy(update={"export": EXPERIMENT.export.model_copy(update=exports)})
    assert [step.name for step in plan_steps(MODEL_STEPS, with_exports, tmp_path)] == [*names, *exports]


def test_a_step_takes_only_what_steps_before_it_made():
    for i, step in enumerate(MODEL_STEPS):
        assert set(step.needs) <= {before.name for before in MODEL_STEPS[:i]}
