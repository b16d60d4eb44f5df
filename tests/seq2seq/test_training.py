import itertools

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.seq2seq.architecture import Architecture
from tasks.seq2seq.decoding import Predictor
from tasks.seq2seq.errors import TrainingError
from tasks.seq2seq.models import build_models
from tasks.seq2seq.problems import Dimensions
from tasks.seq2seq.sampling import Pairs, draw_fresh, draw_training
from tasks.seq2seq.settings import TrainingSettings
from tasks.seq2seq.training import STEPS_PER_CALL, fit, set_up_threads, whole_batches

# A loss that hardly moves: what training reports can be compared with the untrained model.
STILL = TrainingSettings(optimizer="sgd", learning_rate=1e-12, batch_size=8)
ADAM = TrainingSettings(batch_size=8)


def numbered(n, first=0):
    """Pairs that carry their own number on both sides."""
    numbers = np.arange(first, first + n, dtype=np.int32)[:, None]
    return Pairs(numbers, -numbers)


def random_pairs(n, seed=0):
    source = np.random.default_rng(seed).integers(1, 6, (n, 4), dtype=np.int32)
    return Pairs(source, source[:, :3])


def train(pairs, settings, *, seed=0, size=6, units=8, validation=None, blocks=None, progress=None, read=None):
    keras.utils.set_random_seed(seed)
    models = build_models(Architecture(size, size, units, embedding=8))
    history = fit(
        models.train,
        settings,
        n_train=len(pairs),
        read_train=read or (lambda _epoch: blocks or [pairs]),
        n_validation=len(validation) if validation else 0,
        read_validation=lambda: [validation],
        start=0,
        progress=progress or (lambda *_: None),
    )
    return models, history


def same_weights(models, others):
    pairs = zip(models.train.get_weights(), others.train.get_weights(), strict=True)
    return all(np.array_equal(weight, other) for weight, other in pairs)


def loss_by_hand(model, pairs):
    """The mean cross-entropy a token where the decoder is given the true target a step later."""
    decoder_input = np.concatenate([np.zeros((len(pairs), 1), np.int32), pairs.target[:, :-1]], axis=1)
    logits = np.asarray(model([pairs.source, decoder_input]), np.float64)
    log_probability = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    return -np.take_along_axis(log_probability, pairs.target[..., None], axis=-1).mean()


@given(st.lists(st.integers(0, 9)), st.integers(1, 7))
def test_whole_batches_keep_the_order_and_lose_nothing(sizes, batch_size):
    firsts = itertools.accumulate(sizes, initial=0)
    blocks = [numbered(n, first) for n, first in zip(sizes, firsts, strict=False)]
    result = list(whole_batches(blocks, batch_size))
    assert [number for block in result for number in block.source[:, 0]] == list(range(sum(sizes)))
    assert all(np.array_equal(block.source, -block.target) for block in result)
    assert all(len(block) % batch_size == 0 for block in result[:-1])
    assert all(len(block) for block in result)


def test_the_decoder_is_taught_with_the_true_target_a_step_later():
    """The loss of a model that stays as it was is the one computed by hand, a last short batch included."""
    pairs = random_pairs(21)
    models, history = train(pairs, STILL)
    assert history.epochs[0]["loss"] == pytest.approx(loss_by_hand(models.train, pairs), rel=1e-5)


@pytest.mark.filterwarnings("error::UserWarning")
def test_validation_pairs_are_measured_and_not_learned():
    """They are fewer batches than the training pairs, which is nothing to warn of."""
    pairs, validation = random_pairs(21), random_pairs(13, seed=1)
    models, history = train(pairs, ADAM, validation=validation)
    assert history.epochs[0]["val_loss"] == pytest.approx(loss_by_hand(models.train, validation), rel=1e-5)
    alone, _ = train(pairs, ADAM)
    assert same_weights(models, alone)


def test_one_seed_gives_the_same_weights_bit_by_bit_however_the_pairs_are_cut_into_blocks():
    pairs = random_pairs(21)
    cut = [Pairs(pairs.source[a:b], pairs.target[a:b]) for a, b in itertools.pairwise((0, 3, 18, 19, 21))]
    (first, _), (again, _) = train(pairs, ADAM, seed=5), train(pairs, ADAM, seed=5, blocks=cut)
    assert same_weights(first, again)
    assert not same_weights(first, train(pairs, ADAM, seed=6)[0])


def test_each_epoch_reads_its_own_blocks_once():
    epochs = []

    def read(epoch):
        epochs.append(epoch)
        return [random_pairs(16, seed=epoch)]

    _, history = train(random_pairs(16), ADAM.model_copy(update={"epochs": 3}), read=read)
    assert epochs == [0, 1, 2]
    assert len(history.epochs) == 3


def test_curve_and_progress_account_for_every_pair():
    """The curve's points, weighted by their pairs, have the mean that Keras gives for the epoch."""
    calls = []
    n, call = (STEPS_PER_CALL + 3) * 8 + 5, STEPS_PER_CALL * 8
    _, history = train(
        random_pairs(n),
        ADAM.model_copy(update={"epochs": 2}),
        progress=lambda done, total, metrics: calls.append((done, total, *sorted(metrics))),
    )
    assert calls == [(done, 40, "accuracy", "loss") for done in (16, 20, 36, 40)]
    assert [point["pairs"] for point in history.curve] == [call, n, n + call, 2 * n]
    for epoch, points in zip(history.epochs, (history.curve[:2], history.curve[2:]), strict=True):
        for name in ("loss", "accuracy"):
            mean = np.average([point[name] for point in points], weights=[call, n - call])
            assert mean == pytest.approx(epoch[name], rel=1e-4)
    assert history.sequences_per_s > history.sequences_per_s_with_tracing > 0


def test_one_call_that_holds_all_pairs_has_no_rate_without_tracing():
    """Also where a batch is larger than all pairs."""
    _, history = train(random_pairs(5), TrainingSettings(batch_size=256))
    assert history.curve[-1]["pairs"] == 5
    assert history.sequences_per_s is None
    assert history.sequences_per_s_with_tracing > 0


def test_training_learns_to_copy():
    """The truth is recovered: fresh sources, never trained on, come out whole."""
    size = Dimensions(3, 3, 10)
    fresh = draw_fresh("copy", size, 100, seed=0)
    (pairs,) = draw_training("copy", size, 8000, 0, fresh.source)
    models, history = train(pairs, TrainingSettings(batch_size=64, learning_rate=0.02), size=11, units=32)
    tokens, _ = Predictor(models.encoder, models.decoder, start=0, n_steps=3).predict(fresh.source)
    assert (tokens == fresh.target).all(axis=1).mean() >= 0.9
    assert history.curve[-1]["loss"] < history.curve[0]["loss"]


def test_a_loss_that_is_no_number_ends_training_and_says_what_to_lower():
    """Such a rate is beyond what settings admit; a smaller one may do the same on other data."""
    settings = TrainingSettings(optimizer="sgd", batch_size=8).model_copy(update={"learning_rate": 1e38})
    with pytest.raises(TrainingError, match=r"batch \d+ of epoch 1.*lower training\.learning_rate \(it is 1e\+38\)"):
        train(random_pairs(24), settings)


def test_threads_are_left_as_they_are_where_tensorflow_is_at_work():
    keras.ops.zeros(1)
    set_up_threads(units=8)
    set_up_threads(units=512)
