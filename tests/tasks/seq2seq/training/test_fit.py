from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import training_batch
from tasks.seq2seq.data.problems import Dimensions
from tasks.seq2seq.data.scaling import Moments
from tasks.seq2seq.data.synthetic import draw_fresh, draw_training
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import TrainingError
from tasks.seq2seq.models.encoder_decoder import Models, build_models
from tasks.seq2seq.models.threads import set_up_threads
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.callbacks.history import History
from tasks.seq2seq.training.fit import TrainingPairs, _compile, fit
from tasks.seq2seq.training.input_pipeline import STEPS_PER_CALL
from tasks.seq2seq.training.seeding import seeded
from tasks.seq2seq.training.unrolling import Lengths
from tests.helpers.engines import architecture_of
from tests.helpers.event_files import read_scalars
from tests.helpers.keras_engines import predictor_of_models

# A loss that hardly moves: what training reports can be compared with the model it leaves behind.
STILL = TrainingSettings(optimizer="sgd", learning_rate=1e-12, batch_size=8, epochs=2)
# A rate at which early epochs are the best, for targets that cannot be learned.
OVERFIT = TrainingSettings(batch_size=8, learning_rate=0.01, epochs=6, patience=1)
TOKENS = Codecs(Vocabulary.identity(5), Vocabulary.identity(5))
LEARNED = Codecs(*[Vocabulary("integers", tuple(range(5)))] * 2)


def random_pairs(n, seed=0):
    source = np.random.default_rng(seed).integers(1, 6, (n, 4), dtype=np.int32)
    return Pairs.of_rows(source, source[:, :3])


def ragged_pairs(n, seed=0, longest=6):
    """Ids of `LEARNED`, both sides of any length from 0; targets have nothing to do with their sources."""
    rng = np.random.default_rng(seed)

    def side():
        lengths = rng.integers(0, longest + 1, n)
        return Sequences.of_lengths(rng.integers(4, 9, lengths.sum(), dtype=np.int32), lengths)

    return Pairs(side(), side())


def line_pairs(n, seed=0):
    """The target goes on with the source's line."""
    rng = np.random.default_rng(seed)
    time = rng.uniform(-1, 1, (n, 1, 1)) + rng.uniform(0, 1, (n, 1, 1)) * np.arange(6)[:, None]
    return Pairs.of_rows(time[:, :4] * 10, time[:, 4:] * 10)


def scaling_of(sequences):
    moments = Moments(sequences.values.shape[1])
    moments.add(sequences.values)
    return moments.finish()


def of_vectors(pairs):
    return Codecs(scaling_of(pairs.source), scaling_of(pairs.target))


def settings_of(units):
    return ModelSettings(units=units, embedding=8)


def build(codecs, units=8):
    return build_models(architecture_of(codecs, settings_of(units), masked=codecs is not TOKENS))


class Run(NamedTuple):
    """A training: what it was given, told on the way, and left behind."""

    models: Models
    history: History
    pairs: Pairs
    validation: Pairs | None
    calls: list
    drawn: list  # a number from the generator that each reading of the training pairs was given


def train(pairs, settings, codecs, *, units=8, validation=None, blocks=None, logs=None, lengths=None):
    calls, drawn = [], []

    def read(rng):
        drawn.append(int(rng.integers(1 << 30)))
        return blocks or [pairs]

    with seeded(0):
        models = build(codecs, units)
    history = fit(
        models.train,
        settings,
        codecs,
        TrainingPairs(
            n_train=len(pairs),
            read_train=read,
            n_validation=len(validation) if validation else 0,
            read_validation=lambda rng: [validation] if rng is None else [],
            lengths=lengths,
        ),
        seed=0,
        progress=lambda done, total, metrics: calls.append((done, total, *sorted(metrics))),
        logs=logs,
    )
    return Run(models, history, pairs, validation, calls, drawn)


def same_weights(models, others):
    pairs = zip(models.train.get_weights(), others.train.get_weights(), strict=True)
    return all(np.array_equal(weight, other) for weight, other in pairs)


def loss_by_hand(model, parts, codecs):
    """The mean cross-entropy of all target steps where the decoder is given the true target a step later."""
    losses = []
    for part in parts:  # none of them padded
        source, decoder_input, target, _ = training_batch(part, codecs)
        logits = np.asarray(model([source, decoder_input]), np.float64)
        log_probability = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        losses.append(-np.take_along_axis(log_probability, target[..., None], axis=-1).ravel())
    return np.concatenate(losses).mean()


def one_by_one(pairs):
    return [pairs.part(i, i + 1) for i in range(len(pairs))]


FIRST_CALL = STEPS_PER_CALL * 8


@pytest.fixture(scope="module")
def still():
    """Of one length, without ends; 20 batches, a short one last."""
    return train(random_pairs(FIRST_CALL + 3 * 8 + 5), STILL, TOKENS, validation=random_pairs(13, seed=1))


@pytest.fixture(scope="module")
def ragged():
    """Of any length, in one batch that is larger than all pairs, out of three blocks, one of them empty."""
    pairs = ragged_pairs(11)
    blocks = [pairs.part(0, 3), pairs.part(3, 3), pairs.part(3, 11)]
    settings = STILL.model_copy(update={"batch_size": 256, "epochs": 1})
    return train(pairs, settings, LEARNED, validation=ragged_pairs(7, seed=1), blocks=blocks)


def test_the_decoder_is_taught_with_the_true_target_a_step_later(still):
    """The loss of a model that stays as it was is the one computed by hand, a last short batch included."""
    by_hand = loss_by_hand(still.models.train, [still.pairs], TOKENS)
    assert still.history.epochs[0]["loss"] == pytest.approx(by_hand, rel=1e-5)
    assert still.history.metric == "accuracy"


def test_sequences_of_any_length_are_taught_with_their_ends_and_without_their_padding(ragged):
    by_hand = loss_by_hand(ragged.models.train, one_by_one(ragged.pairs), LEARNED)
    assert ragged.history.epochs[0]["loss"] == pytest.approx(by_hand, rel=1e-5)


@pytest.mark.parametrize(("run", "codecs"), [("still", TOKENS), ("ragged", LEARNED)])
def test_validation_pairs_are_measured_after_each_epoch(run, codecs, request):
    run = request.getfixturevalue(run)
    by_hand = loss_by_hand(run.models.train, one_by_one(run.validation), codecs)
    assert [epoch["val_loss"] for epoch in run.history.epochs] == pytest.approx(
        [by_hand] * len(run.history.epochs), rel=1e-5
    )


def test_each_epoch_reads_its_pairs_once_in_an_order_of_its_own(still):
    assert len(still.drawn) == len(set(still.drawn)) == len(still.history.epochs) == 2


def test_curve_and_progress_account_for_every_pair(still):
    """The curve's points, weighted by their pairs, have the mean that is given for the epoch."""
    n, curve = len(still.pairs), still.history.curve
    assert still.calls == [(done, 40, "accuracy", "loss") for done in (16, 20, 36, 40)]
    assert [point["pairs"] for point in curve] == [FIRST_CALL, n, n + FIRST_CALL, 2 * n]
    for epoch, points in zip(still.history.epochs, (curve[:2], curve[2:]), strict=True):
        for name in ("loss", "accuracy"):
            mean = np.average([point[name] for point in points], weights=[FIRST_CALL, n - FIRST_CALL])
            assert mean == pytest.approx(epoch[name], rel=1e-4)
    assert still.history.sequences_per_s > still.history.sequences_per_s_with_tracing > 0


def test_one_call_that_holds_all_pairs_has_no_rate_without_tracing(ragged):
    """Also where a batch is larger than all pairs."""
    assert [point["pairs"] for point in ragged.history.curve] == [11]
    assert ragged.history.sequences_per_s is None
    assert ragged.history.sequences_per_s_with_tracing > 0


def test_the_padding_of_training_batches_is_told(still, ragged):
    """That of validation, which is of other lengths, is not counted; over equal lengths there is none."""
    lengths = [side.lengths for side in (ragged.pairs.source, ragged.pairs.target)]
    steps = sum(11 * side.max() for side in lengths)
    assert ragged.history.padding_share == pytest.approx(1 - sum(map(np.sum, lengths)) / steps)
    assert still.history.padding_share == 0.0


def compiled(codecs, settings):
    """A model as `fit` compiles it, but run step by step, which spares tracing it."""
    with seeded(0):
        model = build(codecs).train
    _compile(model, settings, 1, codecs)
    model.run_eagerly = True
    return model


def widened(batch, wider):
    padded = [np.pad(array, [(0, 0), (0, wider), (0, 0)][: array.ndim]) for array in batch]
    source, decoder_input, target, weights = padded
    return {"x": [source, decoder_input], "y": target, "sample_weight": weights}


def test_the_loss_of_a_batch_is_the_same_however_wide_it_is_padded():
    """Of the metric likewise: a mean over padding too would say that long batches are easy."""
    model, batch = compiled(LEARNED, STILL), training_batch(ragged_pairs(16), LEARNED)
    narrow, *wide = (model.test_on_batch(**widened(batch, wider), return_dict=True) for wider in (0, 1, 20))
    assert set(narrow) == {"loss", "accuracy"}
    for scores in wide:
        assert scores == pytest.approx(narrow, rel=1e-5)


def test_a_gradient_step_is_the_same_however_wide_a_batch_is_padded():
    batch, after = training_batch(ragged_pairs(16), LEARNED), []
    for wider in (0, 7):
        model = compiled(LEARNED, TrainingSettings(optimizer="sgd", learning_rate=1))
        model.train_on_batch(**widened(batch, wider))
        after.append(model.get_weights())
    for narrow, wide in zip(*after, strict=True):
        assert wide == pytest.approx(narrow, abs=1e-6)


def cosine(target, output):
    lengths = np.linalg.norm(target, axis=-1) * np.linalg.norm(output, axis=-1)
    return -((target * output).sum(axis=-1) / lengths).mean()


@pytest.mark.parametrize(
    ("loss", "by_hand"),
    [
        (None, lambda target, output: ((target - output) ** 2).mean()),
        ("mean_squared_error", lambda target, output: ((target - output) ** 2).mean()),
        ("mean_absolute_error", lambda target, output: np.abs(target - output).mean()),
        (
            "huber",
            lambda target, output: np.where(
                np.abs(target - output) < 1, (target - output) ** 2 / 2, np.abs(target - output) - 0.5
            ).mean(),
        ),
        ("cosine_similarity", cosine),
    ],
)
def test_the_loss_of_vectors_is_the_one_asked_for_in_standard_deviations(loss, by_hand):
    side = Sequences.of_rows(np.random.default_rng(0).normal(5, 9, (12, 4, 3)))
    pairs = Pairs(side, side)
    codecs = of_vectors(pairs)
    model = compiled(codecs, STILL.model_copy(update={"loss": loss}))
    batch = widened(training_batch(pairs, codecs), 0)
    scores = model.test_on_batch(**batch, return_dict=True)
    output = np.asarray(model(batch["x"]), np.float64)
    assert scores["loss"] == pytest.approx(by_hand(batch["y"], output), rel=1e-4)
    assert scores["mae"] == pytest.approx(np.abs(batch["y"] - output).mean(), rel=1e-4)


def test_training_learns_to_copy():
    """The truth is recovered: fresh sources, never trained on, come out whole."""
    size = Dimensions(3, 3, 10)
    fresh = draw_fresh("copy", size, 100, seed=0)
    (pairs,) = draw_training("copy", size, 5000, 0, fresh.source.padded())
    codecs = Codecs(Vocabulary.identity(10), Vocabulary.identity(10))
    run = train(pairs, TrainingSettings(batch_size=32, learning_rate=0.02), codecs, units=32)
    predictions = predictor_of_models(run.models, codecs, settings_of(32), n_steps=3).predict(fresh.source)
    assert (predictions.sequences.padded() == fresh.target.padded()).all(axis=1).mean() >= 0.9
    assert run.history.curve[-1]["loss"] < run.history.curve[0]["loss"]


def test_training_learns_where_sequences_end():
    """Targets are one symbol as often as the source has steps; those sources were never trained on."""

    def counted(n, seed):
        source = ragged_pairs(n, seed, longest=4).source
        return Pairs(source, Sequences(np.full(source.n_steps, 4, np.int32), source.offsets))

    run = train(counted(2000, 0), TrainingSettings(batch_size=32, learning_rate=0.01), LEARNED, units=16)
    held_out = counted(300, 1)
    predictor = predictor_of_models(run.models, LEARNED, settings_of(16), n_steps=7)
    assert (predictor.predict(held_out.source).sequences.lengths == held_out.source.lengths).mean() >= 0.95


def test_training_learns_to_go_on_with_a_line():
    """At less than a third of the error of saying the last value again."""
    pairs, held_out = line_pairs(2000), line_pairs(200, seed=1)
    codecs = of_vectors(pairs)
    run = train(pairs, TrainingSettings(batch_size=32, learning_rate=0.01), codecs, units=16)
    predictor = predictor_of_models(run.models, codecs, settings_of(16), n_steps=2)
    error = np.abs(predictor.predict(held_out.source).sequences.padded() - held_out.target.padded()).mean()
    naive = np.abs(held_out.source.padded()[:, -1:] - held_out.target.padded()).mean()
    assert error < naive / 3
    assert run.history.metric == "mae"


@pytest.fixture(scope="module")
def stopped():
    return train(ragged_pairs(40), OVERFIT, LEARNED, units=32, validation=ragged_pairs(8, seed=9))


@pytest.fixture(scope="module")
def patient():
    settings = OVERFIT.model_copy(update={"patience": None})
    return train(ragged_pairs(40), settings, LEARNED, units=32, validation=ragged_pairs(8, seed=9))


@pytest.fixture(scope="module")
def unvalidated(stopped):
    """As many epochs as the best of `stopped`, and the same patience."""
    settings = OVERFIT.model_copy(update={"epochs": stopped.history.best_epoch})
    return train(ragged_pairs(40), settings, LEARNED, units=32)


def validation_losses(run):
    return [epoch["val_loss"] for epoch in run.history.epochs]


def test_training_ends_after_as_many_epochs_without_a_lower_validation_loss_as_there_is_patience(stopped):
    losses = validation_losses(stopped)
    assert stopped.history.best_epoch == 1 + int(np.argmin(losses))
    assert len(losses) == stopped.history.best_epoch + 1 < OVERFIT.epochs


def test_without_patience_all_epochs_run(patient):
    assert len(patient.history.epochs) == OVERFIT.epochs > patient.history.best_epoch


def test_without_validation_all_epochs_run_and_the_last_is_kept(unvalidated):
    assert unvalidated.history.best_epoch == len(unvalidated.history.epochs) == len(unvalidated.drawn) > 1


@pytest.mark.parametrize("run", ["stopped", "patient"])
def test_the_weights_of_the_best_validation_epoch_are_kept(run, request):
    """In one batch, so that the validation loss by hand is the one that was measured."""
    run = request.getfixturevalue(run)
    by_hand = loss_by_hand(run.models.train, one_by_one(run.validation), LEARNED)
    assert by_hand == pytest.approx(min(validation_losses(run)), rel=1e-5)
    assert by_hand < validation_losses(run)[-1]


def test_validation_is_not_learned_and_one_seed_gives_the_same_weights_bit_by_bit(stopped, unvalidated):
    """Those of a training of as many epochs, with the same orders, that saw no validation."""
    assert same_weights(stopped.models, unvalidated.models)
    assert stopped.drawn[: len(unvalidated.drawn)] == unvalidated.drawn


def test_a_loss_that_is_no_number_ends_training_and_says_what_to_lower():
    """Such a rate is beyond what settings admit; a smaller one may do the same on other data."""
    settings = TrainingSettings(optimizer="sgd", batch_size=8).model_copy(update={"learning_rate": 1e38})
    with pytest.raises(TrainingError, match=r"batch \d+ of epoch 1.*lower training\.learning_rate \(it is 1e\+38\)"):
        train(random_pairs(24), settings, TOKENS)


def test_threads_are_left_as_they_are_where_tensorflow_is_at_work():
    keras.ops.zeros(1)
    set_up_threads(units=8)
    set_up_threads(units=512)


def test_event_files_hold_what_the_history_holds(still, tmp_path):
    pairs, validation = still.pairs, still.validation
    logged = train(pairs, STILL, TOKENS, validation=validation, logs=tmp_path)
    for name, split in (("", "train"), ("val_", "validation")):
        scalars = read_scalars(tmp_path / split)
        for metric in ("loss", "accuracy"):
            expected = [epoch[f"{name}{metric}"] for epoch in logged.history.epochs]
            assert scalars[f"epoch_{metric}"] == pytest.approx(expected, rel=1e-6)
    curve = read_scalars(tmp_path / "train")["batch_loss"]
    assert curve == pytest.approx([point["loss"] for point in logged.history.curve], rel=1e-6)


@pytest.mark.parametrize(
    "codecs",
    [
        pytest.param("tokens", marks=pytest.mark.slow),
        pytest.param("vectors", marks=pytest.mark.exhaustive),
    ],
)
def test_where_lengths_are_known_training_learns_the_same(codecs):
    pairs = random_pairs(20) if codecs == "tokens" else line_pairs(20)
    settings, codecs = TrainingSettings(batch_size=8), TOKENS if codecs == "tokens" else of_vectors(pairs)
    looped = train(pairs, settings, codecs, validation=pairs)
    n_in, n_out = pairs.source.longest, pairs.target.longest
    written_out = train(pairs, settings, codecs, validation=pairs, lengths=Lengths(n_in, n_out))
    for one, other in zip(looped.models.train.get_weights(), written_out.models.train.get_weights(), strict=True):
        assert other == pytest.approx(one, abs=1e-4)


def test_pairs_of_other_lengths_than_said_are_no_batch():
    with pytest.raises(tf.errors.InvalidArgumentError):
        train(random_pairs(20), STILL, TOKENS, lengths=Lengths(4, 2))
