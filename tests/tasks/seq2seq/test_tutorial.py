"""The tutorial's own program, on our names."""

from typing import Any

import keras
import numpy as np
import pytest

from tasks import seq2seq
from tasks.seq2seq import define_models, generate_sequence, get_dataset, one_hot_decode, predict_sequence

N_FEATURES, N_STEPS_IN, N_STEPS_OUT = 51, 6, 3


def run_the_tutorial(n_samples, n_evaluated, optimizer, batch_size):
    """Its program from the first line to the last, with a seed; gives the accuracy and what it printed."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    said: list[Any] = []
    train, infenc, infdec = define_models(N_FEATURES, N_FEATURES, 128)
    train.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    x1, x2, y = get_dataset(N_STEPS_IN, N_STEPS_OUT, N_FEATURES, n_samples, rng)
    said.append((x1.shape, x2.shape, y.shape))
    train.fit([x1, x2], y, epochs=1, batch_size=batch_size, verbose=0)
    correct = 0
    for _ in range(n_evaluated):
        x1, _, y = get_dataset(N_STEPS_IN, N_STEPS_OUT, N_FEATURES, 1, rng)
        target = predict_sequence(infenc, infdec, x1, N_STEPS_OUT, N_FEATURES)
        if np.array_equal(one_hot_decode(y[0]), one_hot_decode(target)):
            correct += 1
    for _ in range(10):
        x1, _, y = get_dataset(N_STEPS_IN, N_STEPS_OUT, N_FEATURES, 1, rng)
        target = predict_sequence(infenc, infdec, x1, N_STEPS_OUT, N_FEATURES)
        said.append(f"X={one_hot_decode(x1[0])} y={one_hot_decode(y[0])}, yhat={one_hot_decode(target)}")
    return correct / n_evaluated, said


def check(said, n_samples):
    assert said[0] == ((n_samples, 6, 51), (n_samples, 3, 51), (n_samples, 3, 51))
    assert len(said) == 11
    assert all(line.startswith("X=[") for line in said[1:])


@pytest.mark.exhaustive
def test_the_tutorials_program_at_full_size_is_right_nine_times_of_ten():
    accuracy, said = run_the_tutorial(100_000, 100, "adam", batch_size=32)
    check(said, 100_000)
    assert accuracy >= 0.9


def test_the_first_pair_decodes_as_in_the_tutorial():
    """The source's first three integers reversed; the decoder is given them a step later, after a 0."""
    x1, x2, y = get_dataset(N_STEPS_IN, N_STEPS_OUT, N_FEATURES, 1)
    assert (x1.shape, x2.shape, y.shape) == ((1, 6, 51), (1, 3, 51), (1, 3, 51))
    source, decoder_input, target = (one_hot_decode(part[0]) for part in (x1, x2, y))
    assert target == source[:3][::-1]
    assert decoder_input == [0, *target[:2]]
    assert 0 not in source


def test_the_dataset_is_one_hot():
    for part in get_dataset(6, 3, 51, 50):
        assert np.unique(part).tolist() == [0, 1]
        assert (part.sum(axis=-1) == 1).all()


def test_a_sequence_keeps_clear_of_0_and_reaches_the_largest_symbol():
    sequence = generate_sequence(2000, 5)
    assert len(sequence) == 2000
    assert set(sequence) == {1, 2, 3, 4}
    assert all(type(value) is int for value in sequence)


def test_a_generator_of_ones_own_repeats_the_draw():
    first, second = (get_dataset(6, 3, 51, 4, np.random.default_rng(1)) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert generate_sequence(6, 51, np.random.default_rng(1)) == generate_sequence(6, 51, np.random.default_rng(1))


def test_decoding_takes_the_largest_of_probabilities():
    assert one_hot_decode(np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2]])) == [2, 0]


def test_prediction_feeds_back_the_token_that_it_took():
    """Step by step the probabilities are those of the training model that is given the predicted tokens."""
    train, infenc, infdec = define_models(9, 7, 16)
    source = np.eye(9, dtype=np.float32)[[[1, 5, 3, 8]]]
    predicted = predict_sequence(infenc, infdec, source, 4, 7)
    given = np.eye(7, dtype=np.float32)[[[0, *one_hot_decode(predicted)[:-1]]]]
    assert predicted.shape == (4, 7)
    assert predicted == pytest.approx(np.asarray(train([source, given]))[0], abs=1e-6)


def test_a_name_that_the_tutorial_does_not_have_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'define_model'"):
        _ = seq2seq.define_model
