"""What a run says of each of its steps, in the log that a person reads."""

import json

import pytest

from flows._pipelines.model import MODEL_STEPS
from flows._pipelines.outcomes import promotion_line
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.promotions import Promotion
from tests.helpers.tiny import tiny_run

pytestmark = pytest.mark.seconds


@pytest.fixture(scope="module")
def handles(tmp_path_factory):
    folder = tiny_run(tmp_path_factory)
    store = Store(folder / "store")
    steps = json.loads((folder / "summary.json").read_text())["steps"]
    return {step["name"]: store.open(step["name"], step["digest"]) for step in steps}


def line_of(name, result):
    (step,) = [step for step in MODEL_STEPS if step.name == name]
    assert step.outcome
    return step.outcome(result)


def test_each_step_whose_result_a_person_waits_for_says_it_in_a_line(handles):
    assert line_of("dataset", handles["dataset"]) == "6,000 training, 0 validation, 50 held-out pairs, 0 rows rejected"
    assert line_of("training", handles["training"]).startswith("the weights of epoch 4 are kept: loss 0.")
    assert handles["bundle"].digest[:8] in line_of("bundle", handles["bundle"])
    assert "of 50 held-out sequences right (95 % interval" in line_of("evaluation", handles["evaluation"])
    assert [step.name for step in MODEL_STEPS if step.outcome] == [
        "dataset", "training", "bundle", "evaluation", "promotion",
    ]  # fmt: skip


def test_a_refusal_says_what_lets_the_model_serve_all_the_same():
    refused = Promotion(name="g2p", promoted=False, passed=False, decided_now=True, reason="0.3 is below 0.6")
    assert promotion_line(refused).startswith("not promoted as 'g2p': 0.3 is below 0.6; it is kept, and python -m")
    assert promotion_line(refused.model_copy(update={"promoted": True})) == "promoted as 'g2p': 0.3 is below 0.6"
