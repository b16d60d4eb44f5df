import keras
import numpy as np
import pytest

from tasks.seq2seq.models.encoder_decoder import build_models, define_models
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings

SOURCE = np.array([[1, 2, 3, 4], [4, 4, 2, 1]], np.int32)
DECODER_INPUT = np.array([[0, 2, 3], [0, 1, 2]], np.int32)
TARGET = np.array([[2, 3, 1], [1, 2, 4]], np.int32)


def tokens(source, target, embedding, *, masked=False):
    return build_models(Architecture(Side(source), Side(target), masked, ModelSettings(units=8, embedding=embedding)))


def vectors(ids, size):
    return np.eye(size, dtype=np.float32)[ids]


def decode_by_steps(models, source, decoder_input):
    """What the inference models give when they are told the true tokens one by one."""
    state = models.encoder(source)
    steps = []
    for i in range(decoder_input.shape[1]):
        output, *state = models.decoder([keras.ops.convert_to_tensor(decoder_input[:, i : i + 1]), *state])
        steps.append(np.asarray(output)[:, 0])
    return np.stack(steps, axis=1)


def test_the_tutorials_models_have_its_shapes_and_size():
    """Two LSTMs of 4 x ((51 + 128) x 128 + 128) parameters, and a layer of 128 x 51 + 51."""
    train, encoder, decoder = define_models(51, 51, 128)
    assert [tuple(tensor.shape) for tensor in train.inputs] == [(None, None, 51)] * 2
    assert train.output_shape == (None, None, 51)
    assert encoder.output_shape == [(None, 128)] * 2
    assert [tuple(tensor.shape) for tensor in decoder.inputs] == [(None, None, 51), (None, 128), (None, 128)]
    assert decoder.output_shape == [(None, None, 51), (None, 128), (None, 128)]
    assert train.count_params() == 2 * 92_160 + 6_579


def test_source_and_target_may_have_different_features():
    models = define_models(7, 5, 8)
    output = models.train([vectors(SOURCE, 7), vectors(DECODER_INPUT, 5)])
    assert output.shape == (2, 3, 5)


def test_the_tutorials_outputs_are_probabilities():
    models = define_models(6, 6, 8)
    output = np.asarray(models.train([vectors(SOURCE, 6), vectors(DECODER_INPUT, 6)]))
    assert output.min() > 0
    assert output.sum(axis=-1) == pytest.approx(np.ones((2, 3)), abs=1e-5)


@pytest.mark.parametrize("embedding", [0, 4])
def test_over_ids_the_shapes_follow_the_architecture(embedding):
    models = tokens(9, 6, embedding)
    assert models.train([SOURCE, DECODER_INPUT]).shape == (2, 3, 6)
    assert [state.shape for state in models.encoder(SOURCE)] == [(2, 8), (2, 8)]


@pytest.mark.parametrize("embedding", [0, 4])
def test_the_inference_models_take_the_same_steps_as_the_training_model(embedding):
    models = tokens(5, 5, embedding)
    taught = np.asarray(models.train([SOURCE, DECODER_INPUT]))
    assert decode_by_steps(models, SOURCE, DECODER_INPUT) == pytest.approx(taught, abs=1e-6)


def test_the_three_models_share_their_weights():
    """One training step changes the inference models, in the very same way."""
    models = tokens(5, 5, embedding=4)
    state, steps = np.asarray(models.encoder(SOURCE)[0]), decode_by_steps(models, SOURCE, DECODER_INPUT)
    models.train.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    models.train.train_on_batch([SOURCE, DECODER_INPUT], TARGET)
    assert not np.allclose(models.encoder(SOURCE)[0], state, atol=1e-6)
    after = decode_by_steps(models, SOURCE, DECODER_INPUT)
    assert not np.allclose(after, steps, atol=1e-6)
    assert after == pytest.approx(np.asarray(models.train([SOURCE, DECODER_INPUT])), abs=1e-6)


def test_without_an_embedding_ids_become_one_hot_vectors():
    """The same weights over ids, and over one-hot vectors as the tutorial makes them, predict the same."""
    over_ids = tokens(6, 6, embedding=0).train
    over_vectors = define_models(6, 6, 8).train
    for name in ("encoder", "decoder", "output"):
        over_vectors.get_layer(name).set_weights(over_ids.get_layer(name).get_weights())
    logits = over_ids([SOURCE, DECODER_INPUT])
    probabilities = over_vectors([vectors(SOURCE, 6), vectors(DECODER_INPUT, 6)])
    assert np.asarray(keras.ops.softmax(logits)) == pytest.approx(np.asarray(probabilities), abs=1e-6)


def test_one_hot_vectors_are_not_trained():
    train = tokens(6, 6, embedding=0).train
    train.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    train.train_on_batch([SOURCE, DECODER_INPUT], TARGET)
    for name in ("source_features", "target_features"):
        assert np.array_equal(train.get_layer(name).get_weights()[0], np.eye(6))


def test_an_embedding_is_trained():
    train = tokens(6, 6, embedding=4).train
    assert {variable.path.split("/")[0] for variable in train.trainable_variables} == {
        "source_features", "target_features", "encoder", "decoder", "output",
    }  # fmt: skip


@pytest.mark.parametrize("masked", [False, True])
def test_over_vectors_the_source_has_a_feature_more_that_marks_padding_if_there_can_be_any(masked):
    """Fixed windows need none."""
    models = build_models(Architecture(Side(features=3), Side(features=2), masked, ModelSettings(units=8, embedding=4)))
    features = 3 + masked
    assert [tuple(tensor.shape) for tensor in models.train.inputs] == [(None, None, features), (None, None, 2)]
    assert models.train([np.ones((2, 5, features)), np.ones((2, 4, 2))]).shape == (2, 4, 2)
    assert [tuple(tensor.shape) for tensor in models.decoder.inputs] == [(None, None, 2), (None, 8), (None, 8)]


@pytest.mark.parametrize("masked", [False, True])
def test_a_side_of_tokens_and_a_side_of_vectors_fit_together(masked):
    to_vectors = build_models(Architecture(Side(5), Side(features=2), masked, ModelSettings(units=8, embedding=4)))
    assert to_vectors.train([SOURCE, np.ones((2, 3, 2))]).shape == (2, 3, 2)
    to_tokens = build_models(Architecture(Side(features=2), Side(5), masked, ModelSettings(units=8, embedding=4)))
    assert to_tokens.train([np.ones((2, 6, 2 + masked)), DECODER_INPUT]).shape == (2, 3, 5)


def test_only_where_sources_are_masked_does_padding_leave_the_state():
    """Without a mask, 0 is a step like any other: synthetic problems have no padding."""
    padded = np.pad(SOURCE, [(0, 0), (0, 2)])
    for masked in (False, True):
        encoder = tokens(5, 5, embedding=4, masked=masked).encoder
        assert np.allclose(encoder(SOURCE)[0], encoder(padded)[0], atol=1e-6) is masked
