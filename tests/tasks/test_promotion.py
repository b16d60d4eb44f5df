"""From a trained model to the decision about it, on the user's own files, without a server."""

import shutil

import numpy as np
import pytest

from tasks.check import check_dataset
from tasks.compare import compare_models
from tasks.evaluate import evaluate_model
from tasks.export import export_model
from tasks.generate import generate_dataset
from tasks.promote import promote_model
from tasks.seq2seq.errors import DataError, SettingsError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.start import check_start, find_start
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Handle
from tasks.storage.store.promotions import promote, read_promotions
from tasks.train import train_model
from tests.helpers.batch_models import spelled

pytestmark = pytest.mark.slow  # each trains two models or three

GOOD = {"epochs": 8, "batch_size": 32, "learning_rate": 0.02}
BAD = {"epochs": 1, "batch_size": 256, "learning_rate": 0.0001}
MIDDLING = {"epochs": 3, "batch_size": 64, "learning_rate": 0.01}


def words_file(path, n, seed=0):
    lines = ["\t".join((word, " ".join(sounds))) for word, sounds in zip(*spelled(n, seed), strict=True)]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def experiment(train, **more):
    data = {"train": train, "header": False, "source_encoding": "characters", "target_encoding": "words"}
    return check_experiment(
        {
            "name": "sounds",
            "data": data,
            "model": {"units": 24, "embedding": 8},
            "training": GOOD,
            "evaluation": {"min_sequence_accuracy": 0.0},
            **more,
        }
    )


def handle(result):
    """The handle of a step, made or cached: a task's function gives a state where it found it."""
    return result if isinstance(result, Handle) else result.data


def night(settings, store):
    """All steps up to the decision; gives the bundle, the comparison and the decision."""
    dataset = handle(generate_dataset.fn(settings, store))
    training = handle(train_model.fn(settings, dataset, store))
    bundle = handle(export_model.fn(settings, dataset, training, store))
    evaluation = handle(evaluate_model.fn(settings, dataset, bundle, store))
    standing = compare_models.fn(settings, bundle, evaluation, store)
    return bundle, standing, promote_model.fn(settings, dataset, bundle, evaluation, standing, store)


def serves(store):
    return read_promotions(Store(store), "sounds").promoted


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A store whose first model is promoted, and its folder of data."""
    folder = tmp_path_factory.mktemp("promotion")
    words_file(folder / "a.tsv", 900)
    _, standing, decision = night(experiment(folder / "a.tsv"), folder / "store")
    assert standing == (None, None, None)
    assert decision.promoted
    return folder


@pytest.fixture
def store(first, tmp_path):
    """A copy of it, to change."""
    return shutil.copytree(first / "store", tmp_path / "store")


def test_a_worse_model_is_kept_and_refused_and_the_promoted_one_goes_on_serving(first, store):
    before = serves(store)
    bundle, standing, decision = night(experiment(first / "a.tsv", training=MIDDLING), store)
    assert standing.promoted == before
    assert standing.comparison.gain < 0
    assert standing.comparison.low <= standing.comparison.gain <= standing.comparison.high
    assert not decision.promoted
    assert decision.reason.startswith("worse than the promoted model: sequence accuracy 0")
    assert serves(store) == before
    assert bundle.path.is_dir()


def test_both_models_are_held_against_the_same_pairs_though_their_data_differ(first, store, tmp_path):
    holdout = read_promotions(Store(store), "sounds").holdout
    assert holdout is not None
    n_held_out = Store(store).open("holdout", holdout).facts["rows"]
    _, standing, _ = night(experiment(words_file(tmp_path / "b.tsv", 700, seed=3)), store)
    assert standing.comparison.n == n_held_out
    stored = list(store.glob("holdout_scores/*/values.npz"))
    assert len(stored) == 2
    means = [float(np.load(path)["values"].mean()) for path in stored]
    assert sorted(means) == sorted([standing.comparison.new, standing.comparison.promoted])


def test_a_model_of_another_problem_does_not_take_the_place_of_the_promoted_one(store):
    other = check_experiment(
        {
            "name": "sounds",
            "data": {"problem": "copy", "n_in": 2, "cardinality": 6, "n_samples": 500},
            "model": {"units": 8, "embedding": 4},
            "evaluation": {"min_sequence_accuracy": 0.0, "n_samples": 10},
        }
    )
    before = serves(store)
    _, standing, decision = night(other, store)
    assert standing.comparison is None
    assert "cannot be compared with the promoted model: the promoted model solves another problem" in decision.reason
    assert "give the experiment another name" in decision.reason
    assert serves(store) == before


def test_training_that_goes_on_from_the_promoted_model_is_better_after_a_moment_than_from_scratch(first, store):
    short = {**BAD, "epochs": 1, "learning_rate": 0.001}
    _, scratch, _ = night(experiment(first / "a.tsv", training=short), store)
    words_file(first / "c.tsv", 1000)
    _, warm, _ = night(experiment(first / "c.tsv", training={**short, "start": "promoted"}), store)
    assert warm.comparison.new > scratch.comparison.new + 0.2


def test_a_night_without_new_data_starts_where_the_promoted_model_did_and_so_makes_nothing(first, store, tmp_path):
    settings = experiment(words_file(tmp_path / "d.tsv", 1200), training={**GOOD, "start": "promoted"})
    dataset = handle(generate_dataset.fn(settings, store))
    start = find_start(settings, dataset.digest, Store(store))
    assert start == serves(store)
    bundle, _, decision = night(settings, store)
    if not decision.promoted:
        promote(Store(store), "sounds", bundle.digest, "for the test")
    assert find_start(settings, dataset.digest, Store(store)) == start
    assert handle(train_model.fn(settings, dataset, store)).cached


def test_a_start_of_another_architecture_is_refused_before_any_work(first, store):
    settings = experiment(first / "a.tsv", model={"units": 25, "embedding": 8}, training={"start": "promoted"})
    with pytest.raises(SettingsError, match=r"of another architecture: model\.units is 25, of the promoted model 24"):
        check_start(settings, Store(store))


def test_without_a_promoted_model_training_starts_from_scratch(first, tmp_path):
    settings = experiment(first / "a.tsv", training={"start": "promoted"})
    check_start(settings, Store(tmp_path))
    assert find_start(settings, "d", Store(tmp_path)) is None


def test_data_checks_find_what_is_wrong_with_a_file_and_end_the_run_where_they_are_told_to(tmp_path):
    path = words_file(tmp_path / "bad.tsv", 300)
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"kob\tB{i}\n" for i in range(9))
    lenient = experiment(path, checks={"max_conflicts": 0.0})
    store = tmp_path / "store"
    dataset = generate_dataset.fn(lenient, store)
    findings = {one["rule"]: one["level"] for one in check_dataset.fn(lenient, dataset, store).facts["findings"]}
    assert findings["conflicts"] == "warning"
    strict = experiment(path, checks={"max_conflicts": 0.0, "fail": ["conflicts"]})
    with pytest.raises(DataError, match=r"(?s)check 'conflicts' of the training data failed: .*take conflicts out of"):
        check_dataset.fn(strict, dataset, store)


def test_data_is_held_against_the_data_of_the_promoted_model_unless_it_is_the_same(first, store, tmp_path):
    same = experiment(first / "a.tsv")
    assert "drift" not in check_of(same, store)
    longer = tmp_path / "longer.tsv"
    words = (f"{'ko' * 9}{i:b}".replace("0", "b").replace("1", "k") for i in range(600))
    longer.write_text("".join(f"{word}\tK B\n" for word in words))
    assert check_of(experiment(longer), store)["drift"] == "warning"


def check_of(settings, store):
    checks = handle(check_dataset.fn(settings, handle(generate_dataset.fn(settings, store)), store))
    levels = {}
    for one in checks.facts["findings"]:
        levels[one["rule"]] = max(levels.get(one["rule"], "fine"), one["level"], key=["fine", "warning"].index)
    return levels


def test_a_promoted_model_that_was_damaged_is_not_replaced_unseen(first, store):
    """Nobody can say whether the new one is worse; a person decides."""
    (encoder,) = (store / "bundle" / serves(store)).glob("encoder.keras")
    encoder.write_bytes(b"")
    _, standing, decision = night(experiment(first / "a.tsv", training=MIDDLING), store)
    assert standing.comparison is None
    assert "cannot be compared with the promoted model: " in decision.reason
    assert "it was cut or altered" in decision.reason
