"""Scheduled sampling: a decoder that is given its own predictions in training, as often as a schedule says."""

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import training_batch
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.models.encoder_decoder import build_models, split_encoded
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.fit import _compile
from tasks.seq2seq.training.scheduled_sampling import sampled_inputs, sampling_schedule, with_sampling
from tests.helpers import trainings
from tests.helpers.trainings import are_equal

TOKENS = Codecs(*[Vocabulary("integers", tuple(range(6)))] * 2)  # ids 4 to 9
REALS = Codecs(Vocabulary("integers", tuple(range(6))), Scaling((0.0, 0.0), (1.0, 1.0), (-3.0, -3.0), (3.0, 3.0)))
SMALL: dict[str, Any] = {"units": 5, "embedding": 4}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "one layer": {},
    "gru": {"cell": "gru"},
    "deep, both directions": {"layers": 2, "bidirectional": True, "residual": True, "layer_norm": True},
    "attention": {"attention": "luong_general"},
    "input feeding": {"attention": "bahdanau", "cell": "gru", "layers": 2},
    "dropout": {"dropout": 0.4, "output_dropout": 0.4, "recurrent_dropout": 0.4},
}
EACH = pytest.mark.parametrize("codecs", [TOKENS, REALS], ids=["tokens", "vectors"])


def each_architecture(*but):
    """Two of them by default, all when exhaustive tests run."""
    quick = ("one layer", "input feeding")
    names = [name for name in ARCHITECTURES if name not in but]
    return pytest.mark.parametrize(
        "architecture", [pytest.param(name, marks=[pytest.mark.exhaustive] * (name not in quick)) for name in names]
    )


def models_of(codecs, architecture="one layer"):
    keras.utils.set_random_seed(0)
    target = Side(features=2) if codecs is REALS else Side(codecs.target.size)
    settings = ModelSettings(**SMALL, **ARCHITECTURES[architecture])
    models = build_models(Architecture(Side(codecs.source.size), target, masked=True, settings=settings))
    rng = np.random.default_rng(0)
    for weight in models.train.trainable_weights:  # larger than new ones, so that predictions differ from row to row
        weight.assign(rng.normal(0, 1, weight.shape))
    return models


def batch_of(codecs, n=6, longest=5, seed=0):
    rng = np.random.default_rng(seed)
    source = Sequences.of_lengths(rng.integers(4, 10, n * 3, dtype=np.int32), np.full(n, 3))
    if codecs is REALS:
        return training_batch(Pairs(source, Sequences.of_rows(rng.normal(size=(n, longest, 2)))), codecs)
    lengths = np.append(longest - 1, rng.integers(0, longest, n - 1))
    target = Sequences.of_lengths(rng.integers(4, 10, lengths.sum(), dtype=np.int32), lengths)
    return training_batch(Pairs(source, target), codecs)


def run_by_hand(models, batch, is_own):
    """The decoder called a step at a time: its inputs, and its outputs, through which gradients flow to each step."""
    state, memory = split_encoded(models.encoder(tf.constant(batch.source)), models.decoder)
    inputs, outputs = [batch.decoder_input[:, 0]], []
    for i in range(batch.target.shape[1]):
        output, *after = models.decoder([tf.constant(inputs[-1][:, None]), *state, *memory])
        state = after[: len(state)]
        outputs.append(output[:, 0])
        if i + 1 < batch.target.shape[1]:
            said, true = output[:, 0].numpy(), batch.decoder_input[:, i + 1]
            own = said if true.ndim == 2 else said.argmax(axis=-1)
            inputs.append(
                np.stack([own[j] if is_own[j, i + 1] else true[j] for j in range(len(true))]).astype(true.dtype)
            )
    return np.stack(inputs, axis=1), tf.stack(outputs, axis=1)


def loss_by_hand(output, batch, codecs):
    if codecs is REALS:
        return tf.reduce_mean((output - batch.target) ** 2)
    nll = tf.nn.sparse_softmax_cross_entropy_with_logits(batch.target, output)
    return tf.reduce_sum(nll * batch.weights) / batch.weights.sum()


def compiled(models, codecs, total_steps=100, seed=3, **changes):
    settings = TrainingSettings(**{"optimizer": "sgd", "learning_rate": 1.0, "batch_size": 1, **changes})
    model = with_sampling(models, settings, total_steps, seed)
    _compile(model, settings, 1, codecs)
    model.run_eagerly = True  # which spares tracing it
    return model


def step(model, batch):
    source, decoder_input, target, weights = map(tf.constant, batch)
    return model.train_on_batch([source, decoder_input], target, sample_weight=weights, return_dict=True)


# The schedules


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"sampling": "constant"}, [0.25] * 4),
        ({"sampling": "constant", "sampling_probability": 0.5}, [0.5] * 4),
        ({"sampling": "linear"}, [0, 0.1, 0.5, 1]),
        ({"sampling": "linear", "sampling_probability": 0.4, "sampling_steps": 4}, [0, 0.1, 0.4, 0.4]),
        ({"sampling": "exponential", "sampling_k": 0.9}, [1 - 0.9**i for i in (0, 1, 5, 10)]),
        ({"sampling": "inverse_sigmoid", "sampling_k": 2}, [1 - 2 / (2 + math.exp(i / 2)) for i in (0, 1, 5, 10)]),
        ({"sampling": "exponential"}, [0, 1 - 0.5**0.2, 0.5, 0.75]),
    ],
)
def test_probabilities_follow_the_formulas_of_the_paper(settings, expected):
    schedule = sampling_schedule(TrainingSettings(**settings), total_steps=10)
    assert [float(schedule(i)) for i in (0, 1, 5, 10)] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("sampling", ["exponential", "inverse_sigmoid"])
@pytest.mark.parametrize("total", [10, 1000, 1_000_000])
def test_without_a_k_half_of_the_steps_midway_through_the_training_are_own(sampling, total):
    schedule = sampling_schedule(TrainingSettings(sampling=sampling), total)
    assert float(schedule(total // 2)) == pytest.approx(0.5, abs=1e-3)
    assert 0 <= float(schedule(0)) < 0.5 < float(schedule(total)) <= 1
    assert float(schedule(100 * total)) == pytest.approx(1)


# The inputs


@EACH
@each_architecture()
def test_an_own_input_is_what_the_model_said_after_the_inputs_that_were_really_used(codecs, architecture):
    models, batch = models_of(codecs, architecture), batch_of(codecs)
    is_own = np.random.default_rng(1).random(batch.target.shape[:2]) < 0.5
    expected, _ = run_by_hand(models, batch, is_own)
    found = tf.function(sampled_inputs(models))(*map(tf.constant, (batch.source, batch.decoder_input, is_own)))
    assert found.dtype == batch.decoder_input.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    changed = (np.asarray(found) != batch.decoder_input).reshape(*is_own.shape, -1).any(axis=-1)
    assert not changed[~is_own].any()
    assert changed[:, 1:].sum() > 4


def test_a_target_of_one_step_is_given_its_start():
    models, batch = models_of(REALS), batch_of(REALS, longest=1)
    found = sampled_inputs(models)(tf.constant(batch.source), tf.constant(batch.decoder_input), tf.ones((6, 1), bool))
    assert np.array_equal(found, batch.decoder_input)


def test_as_many_steps_are_own_as_the_probability_says_and_never_the_first():
    models, batch = models_of(REALS), batch_of(REALS, n=400, longest=9)
    model = compiled(models, REALS, sampling="constant", sampling_probability=0.3)
    is_own = (model.choose_inputs(*map(tf.constant, batch[:2])).numpy() != batch.decoder_input).all(axis=-1)
    assert not is_own[:, 0].any()
    assert is_own[:, 1:].mean() == pytest.approx(0.3, abs=0.03)
    assert is_own[:, 1:].mean(axis=0) == pytest.approx(np.full(8, 0.3), abs=0.1)


def test_each_gradient_step_draws_anew_and_by_the_schedule():
    models, batch = models_of(REALS), batch_of(REALS, n=100)
    model = compiled(models, REALS, total_steps=4, sampling="linear")

    def own():
        return (model.choose_inputs(*map(tf.constant, batch[:2])).numpy() != batch.decoder_input).any(axis=-1)

    drawn = []
    for i in range(5):
        model.optimizer.iterations.assign(i)
        drawn.append(own())
    assert [rows[:, 1:].mean() for rows in drawn] == pytest.approx([0, 0.25, 0.5, 0.75, 1], abs=0.1)
    assert (drawn[1] & ~drawn[2]).any()


# The gradient step


@EACH
@each_architecture("dropout")
def test_with_probability_1_the_loss_and_the_gradient_are_those_of_a_decoder_that_runs_freely(codecs, architecture):
    models, batch = models_of(codecs, architecture), batch_of(codecs)
    with tf.GradientTape() as tape:
        _, output = run_by_hand(models, batch, np.ones(batch.target.shape[:2], bool))
        expected = loss_by_hand(output, batch, codecs)
    variables = [weight.value for weight in models.train.trainable_weights]
    gradients = tape.gradient(expected, variables, unconnected_gradients="zero")
    before = [weight.numpy() for weight in variables]
    model = compiled(models, codecs, sampling="constant", sampling_probability=1.0)
    assert step(model, batch)["loss"] == pytest.approx(float(expected), rel=1e-4)
    for weight, old, gradient in zip(models.train.trainable_weights, before, gradients, strict=True):
        np.testing.assert_allclose(old - weight.numpy(), tf.convert_to_tensor(gradient), rtol=1e-3, atol=1e-4)


def trained(architecture="one layer", **settings):
    """The weights of a model after some gradient steps."""
    model = compiled(models_of(TOKENS, architecture), TOKENS, optimizer="adam", learning_rate=0.01, **settings)
    for i in range(2):
        step(model, batch_of(TOKENS, seed=i))
    return model.get_weights()


def test_with_probability_0_training_is_plain_to_the_last_bit():
    """With dropout too: finding inputs draws nothing of Keras' random numbers."""
    assert are_equal(trained("dropout"), trained("dropout", sampling="constant", sampling_probability=0.0))


def test_two_runs_of_one_seed_are_equal_to_the_last_bit_and_two_seeds_are_not():
    half = {"sampling": "constant", "sampling_probability": 0.5}
    first = trained(**half)
    assert are_equal(first, trained(**half))
    assert not are_equal(first, trained(**half, seed=4))
    assert not are_equal(first, trained())


@pytest.mark.slow
def test_a_training_that_was_killed_and_goes_on_ends_with_the_same_weights_bit_by_bit():
    """The coins follow from the optimizer's count of steps, which is in the snapshot; so does the schedule."""
    settings = TrainingSettings(batch_size=16, epochs=2, sampling="linear", learning_rate=0.03)

    def new_model(seed):
        keras.utils.set_random_seed(seed)
        source_side, target_side = (Side(codec.size) for codec in (trainings.CODECS.source, trainings.CODECS.target))
        models = build_models(
            Architecture(source_side, target_side, masked=False, settings=ModelSettings(**SMALL, dropout=0.3))
        )
        return with_sampling(models, settings, n_train=70, seed=0)

    kept, whole, resumed = [], new_model(0), new_model(9)
    trainings.train(whole, settings, save=kept.append)
    trainings.train(resumed, settings, snapshot=kept[0])
    assert are_equal(trainings.state_of(whole), trainings.state_of(resumed))


@EACH
def test_validation_is_teacher_forced(codecs):
    models, batch = models_of(codecs), batch_of(codecs)
    model = compiled(models, codecs, sampling="constant", sampling_probability=1.0)
    plain = compiled(models, codecs)
    source, decoder_input, target, weights = map(tf.constant, batch)
    arguments = {"x": [source, decoder_input], "y": target, "sample_weight": weights, "return_dict": True}
    assert model.test_on_batch(**arguments) == pytest.approx(plain.test_on_batch(**arguments), rel=1e-6)
    assert step(model, batch)["loss"] != pytest.approx(model.test_on_batch(**arguments)["loss"])


def test_the_model_that_samples_has_the_weights_of_the_training_model_and_leaves_the_others_as_they_are():
    models = models_of(TOKENS, "input feeding")
    shapes = [[tensor.shape for tensor in (*model.inputs, *model.outputs)] for model in models]
    model = compiled(models, TOKENS, sampling="constant")
    assert model is not models.train
    assert [id(weight) for weight in model.weights] == [id(weight) for weight in models.train.weights]
    assert [weight.path for weight in model.trainable_weights] == [w.path for w in models.train.trainable_weights]
    assert [[tensor.shape for tensor in (*one.inputs, *one.outputs)] for one in models] == shapes
    assert with_sampling(models, TrainingSettings(), 1, 0) is models.train


def test_what_is_known_of_a_step_stays_so_where_the_step_is_given_the_models_own_prediction():
    keras.utils.set_random_seed(0)
    codecs = Codecs(REALS.source, REALS.target, ahead=Scaling.unchanged(1))
    sides = Side(codecs.source.size), Side(features=2)
    models = build_models(Architecture(*sides, masked=True, settings=ModelSettings(**SMALL), ahead=1))
    rng = np.random.default_rng(0)
    source = Sequences.of_lengths(rng.integers(4, 10, 18, dtype=np.int32), np.full(6, 3))
    pairs = Pairs(source, Sequences.of_rows(rng.normal(size=(6, 5, 2)))).with_ahead(rng.normal(size=(6, 5, 1)))
    batch = training_batch(pairs, codecs)
    inputs = tf.constant(batch.decoder_input)
    used = sampled_inputs(models)(tf.constant(batch.source), inputs, tf.ones((6, 5), tf.bool)).numpy()
    assert np.array_equal(used[..., 2:], batch.decoder_input[..., 2:])
    assert not np.isclose(used[:, 1:, :2], batch.decoder_input[:, 1:, :2]).any()
