import json

import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.data.window_frames import Frame
from tasks.seq2seq.inference.evaluation import Inference, TokenEvaluation, VectorEvaluation
from tasks.seq2seq.inference.predictor import Predictor
from tasks.seq2seq.inference.teacher_forcing import TeacherForced
from tasks.seq2seq.metrics.text import corpus_bleu, corpus_chrf
from tasks.seq2seq.metrics.tokens import TokenScorer
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.evaluation import EvaluationSettings
from tasks.seq2seq.settings.model import ModelSettings
from tests.helpers.engines import architecture_of
from tests.helpers.random_models import no_special_tokens, random_engine
from tests.helpers.scores import scores_of

VOCABULARY = Vocabulary("integers", (-1, 0, 1, 2, 3))  # ids 4 to 8
UNKNOWN = VOCABULARY.unknown
SCALING = Scaling(mean=(10.0,), deviation=(4.0,), low=(0.0,), high=(20.0,))
PLANE = Scaling(mean=(0.0, 0.0), deviation=(1.0, 1.0), low=(-3.0, -3.0), high=(3.0, 3.0))
HORIZON = 3
SEED = 2


def inference(source, target, n_steps, bias=None):
    """A model whose answers differ, end now and then, and hold no other special token but for what `bias` says."""
    codecs = Codecs(source, target)
    special = no_special_tokens(target) if isinstance(target, Vocabulary) else {}
    architecture = architecture_of(codecs, ModelSettings(units=8, embedding=4))
    return Inference(random_engine(architecture, SEED, scale=3.0, bias={**special, **(bias or {})}), codecs, n_steps)


def sequences(rows):
    values = np.array([step for row in rows for step in row], np.int32)
    return Sequences.of_lengths(values, np.array([len(row) for row in rows], np.int64))


def rows_of(sequences):
    return [sequences[i].tolist() for i in range(len(sequences))]


@pytest.fixture(scope="module")
def tokens():
    return inference(VOCABULARY, VOCABULARY, 4)


@pytest.fixture(scope="module")
def sources():
    rng = np.random.default_rng(0)
    return sequences([rng.integers(4, 9, rng.integers(0, 6)) for _ in range(40)])


@pytest.fixture(scope="module")
def predicted(tokens, sources):
    return tokens.predictor().predict(sources)


@pytest.fixture(scope="module")
def references(predicted):
    """What the model will say, except for every fourth row, which has a token more."""
    return sequences([[*row, 4] if i % 4 == 0 else row for i, row in enumerate(rows_of(predicted.sequences))])


@pytest.fixture(scope="module")
def evaluated(tokens, sources, references):
    """In two blocks."""
    evaluation = TokenEvaluation(tokens, VOCABULARY, EvaluationSettings(bleu=True, chrf=True))
    pairs = Pairs(sources, references)
    return evaluation, [evaluation.add(pairs.part(0, 15)), evaluation.add(pairs.part(15, 40))]


def test_token_scores_are_those_of_scoring_by_hand(tokens, sources, references, predicted, evaluated):
    scorer = TokenScorer(UNKNOWN, vocabulary_size=VOCABULARY.size)
    forced = TeacherForced(tokens.engine, tokens.codecs).count(Pairs(sources, references))
    scorer.add(references, predicted.sequences, teacher_forced=forced)
    scores = json.loads(json.dumps(evaluated[0].scores(), allow_nan=False))
    expected = json.loads(json.dumps(scores_of(scorer)._asdict()))
    assert {name: scores[name] for name in expected} == expected
    assert scores["sequence_accuracy"] == 0.75
    assert 0 < scores["teacher_forced_token_accuracy"] < 1


def test_texts_are_scored_as_numbers_between_spaces(references, predicted, evaluated):
    expected, said = (
        [" ".join(str(VOCABULARY.symbols[i - 4]) for i in row) for row in rows_of(side)]
        for side in (references, predicted.sequences)
    )
    scores = evaluated[0].scores()
    assert scores["bleu"] == pytest.approx(corpus_bleu(expected, said, tokenize="none"))
    assert scores["chrf"] == pytest.approx(corpus_chrf(expected, said))


def test_scores_of_text_are_only_there_if_they_were_asked_for(tokens):
    evaluation = TokenEvaluation(tokens, VOCABULARY)
    evaluation.add(Pairs(sequences([[4]]), sequences([[5]])))
    assert {"bleu", "chrf"}.isdisjoint(evaluation.scores())


@pytest.mark.parametrize(
    ("kind", "symbols", "tokenize"),
    [("characters", tuple(" .abc"), "13a"), ("words", ("a.", "b,", "c", "d", "e"), "none")],
)
def test_characters_are_made_words_for_bleu_and_words_are_words_already(kind, symbols, tokenize, sources):
    """The other way round the score would be another."""
    vocabulary = Vocabulary(kind, symbols)
    model = inference(VOCABULARY, vocabulary, 16)
    said = model.predictor().predict(sources).sequences
    reference = sequences([row[1:] if i % 3 else row for i, row in enumerate(rows_of(said))])
    evaluation = TokenEvaluation(model, vocabulary, EvaluationSettings(bleu=True))
    evaluation.add(Pairs(sources, reference))
    expected, answers = ([vocabulary.write(side[i]) for i in range(40)] for side in (reference, said))
    right, other = (
        corpus_bleu(expected, answers, tokenize=name) for name in (tokenize, {"13a": "none", "none": "13a"}[tokenize])
    )
    assert right != pytest.approx(other)
    assert evaluation.scores()["bleu"] == pytest.approx(right)


def test_each_block_comes_with_its_predictions_in_order(references, predicted, evaluated):
    first, second = evaluated[1]
    assert rows_of(first.prediction) + rows_of(second.prediction) == rows_of(predicted.sequences)
    assert rows_of(first.reference) + rows_of(second.reference) == rows_of(references)
    assert np.concatenate([first.log_probability, second.log_probability]) == pytest.approx(
        predicted.log_probability, abs=1e-5
    )
    right = np.concatenate([first.correct, second.correct])
    assert right.tolist() == [i % 4 != 0 for i in range(40)]


def test_a_model_is_scored_by_what_its_decoding_makes_of_it(tokens, sources, references):
    decoding = DecodingSettings(method="sample", seed=4)
    block = TokenEvaluation(tokens._replace(decoding=decoding), VOCABULARY).add(Pairs(sources, references))
    predictor = Predictor(tokens.engine, tokens.codecs, tokens.n_steps, decoding)
    greedy = tokens.predictor().predict(sources)
    assert rows_of(block.prediction) == rows_of(predictor.predict(sources).sequences) != rows_of(greedy.sequences)


def test_padding_that_a_model_says_is_a_wrong_token_and_not_the_end():
    model = inference(VOCABULARY, VOCABULARY, 4, {VOCABULARY.padding: 50})
    evaluation = TokenEvaluation(model, VOCABULARY)
    block = evaluation.add(Pairs(sequences([[4], [4]]), sequences([[], [5]])))
    assert rows_of(block.prediction) == [[0, 0, 0]] * 2
    assert block.correct.tolist() == [False, False]
    assert evaluation.scores()["n_correct"] == 0


def test_an_unknown_token_in_a_reference_is_never_right(tokens, sources, predicted):
    """Even where the model says it: the user's symbol was not produced."""
    row = int(np.flatnonzero(predicted.sequences.lengths)[0])
    answer = rows_of(predicted.sequences)[row]
    said = answer[0]
    as_unknown = Vocabulary("integers", VOCABULARY.symbols, unknown=said)
    pair = Pairs(sources.part(row, row + 1), sequences([answer]))
    known, unknown = (TokenEvaluation(tokens, vocabulary) for vocabulary in (VOCABULARY, as_unknown))
    assert known.add(pair).correct.tolist() == [True]
    assert unknown.add(pair).correct.tolist() == [False]
    assert known.scores()["n_correct"] == 1
    assert unknown.scores()["n_correct"] == 0


def test_unknown_symbols_of_each_source_are_counted(tokens):
    source = sequences([[4, UNKNOWN, UNKNOWN], [], [5], [UNKNOWN]])
    pairs = Pairs(source, sequences([[4]] * 4))
    evaluation = TokenEvaluation(tokens, VOCABULARY)
    assert evaluation.add(pairs).n_unknown.tolist() == [2, 0, 0, 1]
    assert evaluation.add(pairs.part(2, 4)).n_unknown.tolist() == [0, 1]
    assert evaluation.add(pairs).outside_range is None


def test_mistakes_are_written_out(tokens, sources, predicted, references, evaluated):
    mistakes = json.loads(json.dumps(evaluated[0].mistakes()))
    written = {(VOCABULARY.write(references[i]), VOCABULARY.write(predicted.sequences[i])) for i in range(0, 40, 4)}
    assert {(wrong["expected"], wrong["predicted"]) for wrong in mistakes["wrong_predictions"]} == written
    assert sum(wrong["count"] for wrong in mistakes["wrong_predictions"]) == 10
    assert mistakes["confusions"] == [{"expected": "-1", "predicted": None, "count": 10}]  # the id 4 left out
    ids = sorted(set(references.values.tolist()))
    matrix = mistakes["matrix"]
    assert (matrix["labels"], matrix["n_tokens"]) == ([VOCABULARY.labels()[i] for i in ids], len(ids))
    right = np.bincount(predicted.sequences.values, minlength=9)[ids]
    assert matrix["counts"] == np.diag(right).tolist()


@pytest.fixture(scope="module")
def forecaster():
    return inference(SCALING, SCALING, HORIZON)


@pytest.fixture(scope="module")
def series():
    values = np.random.default_rng(0).normal(10, 4, (20, 5 + HORIZON, 1))
    return Pairs.of_rows(values[:, :5], values[:, 5:])


def evaluate(model, pairs, past=None, *, scale=None, season=1, frame=None, cosine=False, scaling=SCALING):
    evaluation = VectorEvaluation(model, scaling, scale, season, cosine=cosine)
    return evaluation, evaluation.add(pairs, past, frame)


def test_vector_scores_are_those_of_scoring_by_hand(forecaster, series):
    """In two blocks; the target goes on with a source of the same features, whose last step is a forecast."""
    evaluation = VectorEvaluation(forecaster, SCALING, np.array([2.0]), 1, cosine=False)
    blocks = [evaluation.add(series.part(0, 7)), evaluation.add(series.part(7, 20))]
    scores = json.loads(json.dumps(evaluation.scores(), allow_nan=False))
    forecast = forecaster.predictor().predict(series.source).sequences.padded()
    error = np.abs(forecast - series.target.padded())
    last = np.abs(series.source.padded()[:, -1:] - series.target.padded())
    mean = np.abs(10.0 - series.target.padded())
    assert scores["n_evaluated"] == 20
    assert scores["mae"] == pytest.approx(error.mean(), rel=1e-5)
    assert scores["rmse"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert scores["mase"] == pytest.approx(error.mean() / 2, rel=1e-5)
    assert scores["baseline_mae"] == pytest.approx({"last_value": last.mean(), "training_mean": mean.mean()}, rel=1e-5)
    assert scores["relative_mae"] == pytest.approx(error.mean() / min(last.mean(), mean.mean()), rel=1e-5)
    assert np.concatenate([block.prediction.padded() for block in blocks]) == pytest.approx(forecast, abs=1e-4)
    assert evaluation.mistakes() == {}


def test_a_block_of_vectors_has_no_right_and_wrong_and_no_log_probability(forecaster, series):
    _, block = evaluate(forecaster, series)
    assert (block.correct, block.log_probability, block.n_unknown) == (None, None, None)
    assert np.array_equal(block.reference.padded(), series.target.padded())


def test_the_last_value_of_a_source_is_its_own_last_step_also_in_a_part_of_any_length(forecaster, series):
    """Sources here end at 1, 2 and 3, and targets go on so, except for the last."""
    source = Sequences.of_lengths(np.array([[9.0], [1.0], [2.0], [9.0], [9.0], [3.0]]), np.array([2, 1, 3]))
    target = Sequences.of_rows(np.array([[[1.0]] * HORIZON, [[2.0]] * HORIZON, [[4.0]] * HORIZON]))
    evaluation, block = evaluate(forecaster, Pairs(source, target).part(1, 3))
    assert len(block.prediction) == 2
    assert evaluation.scores()["baseline_mae"]["last_value"] == 0.5  # 0 and 1


@pytest.mark.parametrize("source", [PLANE, VOCABULARY])
def test_a_source_of_other_features_has_no_last_value(source):
    model = inference(source, SCALING, HORIZON)
    sides = sequences([[4, 5]] * 4) if source is VOCABULARY else Sequences.of_rows(np.ones((4, 2, 2)))
    target = Sequences.of_rows(np.arange(12.0).reshape(4, 3, 1))
    evaluation, _ = evaluate(model, Pairs(sides, target))
    assert list(evaluation.scores()["baseline_mae"]) == ["training_mean"]
    assert evaluation.scores()["relative_mae"] > 0


def test_source_values_far_outside_the_training_range_are_told(forecaster, series):
    source = series.source.padded().clip(0, 20)
    source[3, 0] = 1000
    _, block = evaluate(forecaster, Pairs.of_rows(source, series.target.padded()))
    assert np.flatnonzero(block.outside_range).tolist() == [3]
    assert block.n_unknown is None


PAST = np.arange(120.0).reshape(20, 6, 1)  # a season of six before each target, the history of five among them


def test_a_series_is_held_against_the_best_of_four_simple_forecasts(forecaster, series):
    evaluation, block = evaluate(forecaster, series, PAST, season=6)
    truth = series.target.padded()
    error = np.abs(block.prediction.padded() - truth).mean()
    forecasts = {
        "last_value": PAST[:, [5] * HORIZON],
        "seasonal": PAST[:, :HORIZON],
        "drift": PAST[:, [5]] + np.arange(1, HORIZON + 1)[:, None],
        "mean": PAST[:, [3] * HORIZON],
    }
    errors = {name: np.abs(forecast - truth).mean() for name, forecast in forecasts.items()}
    scores = evaluation.scores()
    assert scores["baseline_mae"] == pytest.approx(errors)
    assert scores["baseline"] == "seasonal" == min(errors, key=lambda name: errors[name])
    assert scores["relative_mae"] == pytest.approx(error / errors["seasonal"])


def test_a_series_without_a_season_has_no_seasonal_forecast(forecaster, series):
    evaluation, _ = evaluate(forecaster, series, PAST, season=1)
    assert list(evaluation.scores()["baseline_mae"]) == ["last_value", "drift", "mean"]


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_windows_are_scored_in_the_units_that_they_were_taken_from(forecaster, series, scale):
    """Every prediction and reference is multiplied and has the centre added; so are errors multiplied."""
    frame = Frame(PAST[:, -1], np.full_like(PAST[:, -1], scale))
    plain, framed = (evaluate(forecaster, series, PAST, frame=one) for one in (None, frame))
    last = PAST[:, -1:]
    assert framed[1].reference.padded() == pytest.approx(scale * series.target.padded() + last)
    assert framed[1].prediction.padded() == pytest.approx(scale * plain[1].prediction.padded() + last)
    scores, others = framed[0].scores(), plain[0].scores()
    for name in ("mae", "rmse"):
        assert scores[name] == pytest.approx(scale * others[name])
    last = np.abs(framed[1].reference.padded() - PAST[:, -1:]).mean()
    assert scores["baseline_mae"]["last_value"] == pytest.approx(last)


def test_embeddings_are_compared_by_their_angles_over_all_blocks():
    """Targets are what the model will say, except for two rows that swapped theirs."""
    model = inference(VOCABULARY, PLANE, 1)
    source = sequences([[4], [5], [6, 7], [8, 8, 8], [4, 4]])
    said = Predictor(model.engine, model.codecs, 1).predict(source).sequences.padded()
    target = 3.0 * said[[0, 1, 2, 4, 3]]
    evaluation = VectorEvaluation(model, PLANE, None, 1, cosine=True)
    pairs = Pairs(source, Sequences.of_rows(target))
    for first, last in ((0, 2), (2, 5)):
        evaluation.add(pairs.part(first, last))
    scores = evaluation.scores()
    unit = [values[:, 0] / np.linalg.norm(values[:, 0], axis=1, keepdims=True) for values in (said, target)]
    assert scores["nearest_neighbour_accuracy"] == pytest.approx(3 / 5)
    assert scores["mean_cosine_similarity"] == pytest.approx((unit[0] * unit[1]).sum(axis=1).mean(), abs=1e-5)
    assert (scores["relative_mae"], scores["baseline"]) == (None, None)


def test_angles_are_told_only_of_embeddings(forecaster, series):
    assert "nearest_neighbour_accuracy" not in evaluate(forecaster, series)[0].scores()
