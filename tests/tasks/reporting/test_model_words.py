"""The sentences of a model's page, its examples and its data."""

import pytest

from tasks.reporting.data_words import data_rows
from tasks.reporting.model_page import command_of
from tasks.reporting.model_words import MAX_EXAMPLE, example_groups, judgement, learned, mark_differences, score_rows
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.dataset import DatasetFacts, SideFacts

TOKENS = SideFacts(encoding="words", vocabulary=1200, length=5)
VECTORS = SideFacts(encoding="vectors", features=2, length=1)


def facts(source=TOKENS, target=TOKENS, **more):
    rows = {"train_rows": 10_000, "validation_rows": 10, "evaluation_rows": 20, "rejected_rows": 0}
    return DatasetFacts(**{"kind": "files", **rows, "source": source, "target": target, "masked": False, **more})


def history(epochs=3, best=3):
    return {"epochs": [{}] * epochs, "best_epoch": best}


def test_the_page_begins_with_what_was_learned_from_what(tmp_path):
    (tmp_path / "a.csv").write_text("source,target\n1,2\n")
    files = check_experiment({"data": {"train": tmp_path / "a.csv"}})
    assert (
        learned(files, facts(), history())
        == "Learned to turn words into words, from 10,000 pairs of a.csv, in 3 epochs."
    )
    said = learned(check_experiment({}), facts(), history(best=2))
    assert said.startswith("Learned the problem 'reverse_first' from 10,000 generated pairs")
    assert said.endswith("3 epochs, of which the weights of epoch 2 are kept.")


def tokens(low, high, baseline=0.2, forced=0.5, free=0.5):
    return {
        "n_evaluated": 10, "sequence_accuracy": (low + high) / 2, "sequence_accuracy_interval": [low, high],
        "majority_baseline": baseline, "teacher_forced_token_accuracy": forced, "token_accuracy": free,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [(0.3, 0.4, "That is better than"), (0.1, 0.3, "That cannot be told apart from"), (0, 0.1, "That is worse than")],
)
def test_whether_it_is_good_is_said_against_the_commonest_answer(low, high, said):
    (sentence,) = judgement(tokens(low, high))
    assert sentence == f"{said} always giving the commonest answer, which is right in 20.00 %."


def test_a_model_that_only_knows_with_the_truth_given_is_told():
    _, sentence = judgement(tokens(0.3, 0.4, forced=0.94, free=0.77))
    assert "94.00 % of the tokens are right, and 77.00 % where" in sentence


@pytest.mark.parametrize(
    ("ratio", "best", "said"),
    [
        (0.2, "last_value", "errs less than repeating the last value would"),
        (1.0, "seasonal", "errs no less than repeating the last season would"),
        (None, "mean", "No forecast can be better than repeating the mean of the history"),
        (None, None, "no simple forecast"),
    ],
)
def test_a_forecast_is_held_against_the_best_simple_one(ratio, best, said):
    (sentence,) = judgement({"n_evaluated": 5, "mae": 1.0, "relative_mae": ratio, "baseline": best})
    assert said in sentence


def test_the_simple_forecasts_are_among_the_scores_by_names_that_people_read():
    scores = {"baseline": "last_value", "baseline_mae": {"last_value": 0.5, "drift": 2.0}}
    rows = list(score_rows(scores, facts(target=VECTORS)))
    assert [(row["name"], row["value"]) for row in rows] == [
        ("best simple forecast", "last value"),
        ("errors of the simple forecasts", "last value: 0.5, drift: 2"),
    ]


def test_embeddings_are_held_against_the_commonest_answer_and_nothing_against_nothing():
    scores = {"n_evaluated": 5, "relative_mae": None, "nearest_neighbour_accuracy": 0.9, "majority_baseline": 0.1}
    assert next(judgement(scores)).startswith("That is better than")
    assert list(judgement({"n_evaluated": 0})) == []


def test_scores_have_a_sentence_each_and_say_nothing_of_the_other_kind():
    scores = {"n_evaluated": 1000, "rows_with_unknown": 1, "rows_outside_range": 0, "accuracy_by_position": [1.0]}
    assert [(row["name"], row["value"]) for row in score_rows(scores, facts())] == [
        ("sequences evaluated", "1,000"),
        ("sequences with unknown symbols", "1"),
    ]
    names = [row["name"] for row in score_rows(scores, facts(source=VECTORS))]
    assert names == ["sequences evaluated", "sequences outside the training range"]
    assert all(row["meaning"].endswith(".") for row in score_rows(scores, facts()))


@pytest.mark.parametrize(
    ("expected", "predicted", "left", "right"),
    [
        ("S T EH R", "S T AA R", "S T <mark>EH</mark> R", "S T <mark>AA</mark> R"),
        ("abc", "ac", "a<mark>b</mark>c", "ac"),
        ("[1, 2, 30]", "[1, 30]", "[1, <mark>2</mark>, 30]", "[1, 30]"),
        ("", "<b>", "", "<mark>&lt;b&gt;</mark>"),
        ("a\x1b", "b\x1b", "<mark>a</mark>\\x1b", "<mark>b</mark>\\x1b"),
    ],
)
def test_what_differs_is_marked_and_nothing_is_mark_up(expected, predicted, left, right):
    assert mark_differences(expected, predicted) == (left, right)


def example(predicted, *, correct):
    return {"text": {"source": "s" * 1000, "expected": "ab", "predicted": predicted}, "correct": correct}


def test_wrong_examples_come_before_right_ones_and_none_is_longer_than_can_be_read():
    groups = example_groups([example("ab", correct=True), example("", correct=False)])
    assert [group["title"] for group in groups] == [
        "Wrong: 1 of the first 2 held out",
        "Right: 1 of the first 2 held out",
    ]
    (wrong,) = groups[0]["examples"]
    assert (wrong["expected"], wrong["predicted"]) == ("<mark>ab</mark>", "(nothing)")
    assert len(wrong["source"]) == MAX_EXAMPLE
    assert len(example_groups([example("ab", correct=True)])) == 1
    assert example_groups([example("ab", correct=None)])[0]["title"] == "The first 1 held out"
    assert example_groups([]) == []


def test_data_is_told_in_words_and_tokens_and_vectors_each_in_their_own():
    account = {
        "read": {"train": 1500}, "reasons": {"source_empty": 2}, "repeats": {"test_overlap": 3}, "files": ["a", "b"],
        "files_of_other_formats": [], "series": [{"file": "c.csv", "windows_by_split": {"test": 1234}}],
    }  # fmt: skip
    rows = dict(data_rows(facts(target=VECTORS, relative=True), account))
    assert rows["source"] == "words, 5 steps at most, 1,200 symbols known"
    assert rows["target"] == "vectors, 1 step at most, 2 features a step"
    assert rows["rows read: train"] == "1,500"
    assert rows["rejected because: source empty"] == "2"
    assert rows["test sources that training has too"] == "3"
    assert rows["files"] == "a, b"
    assert rows["series"] == "file c.csv, windows: test 1,234"
    assert not [name for name in rows if "_" in name or name in ("masked", "files of other formats, left out")]
    assert "values" not in dict(data_rows(facts(), {}))


def test_the_command_gives_the_same_experiment(tmp_path):
    (tmp_path / "a b.csv").write_text("source,target\n1,2\n")
    experiment = check_experiment(
        {
            "seed": 3, "data": {"train": tmp_path / "a b.csv"}, "model": {"bidirectional": True, "units": 7},
            "training": {"tensorboard": tmp_path / "t"}, "checks": {"fail": ["rows", "rejected"]},
        }
    )  # fmt: skip
    said = command_of(experiment)
    assert said.startswith("python -m flows.train_and_eval --seed 3 --data.train '")
    for part in ("--model.bidirectional", "--model.units 7", "--checks.fail rows --checks.fail rejected"):
        assert part in said
    assert "tensorboard" not in said
    assert command_of(check_experiment({})) == "python -m flows.train_and_eval"
