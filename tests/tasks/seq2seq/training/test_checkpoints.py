import dataclasses

import keras
import pytest

from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.checkpoints import parts_of
from tasks.seq2seq.training.precision import layers_of
from tasks.seq2seq.training.scheduled_sampling import with_sampling
from tests.helpers.trainings import EndedError, are_equal, model_with_dropout, random_pairs, state_of, train

# Two calls into the graph an epoch. The targets cannot be learned: early epochs are the best.
SETTINGS = TrainingSettings(batch_size=4, epochs=5, learning_rate=0.03)
VALIDATION = random_pairs(20, seed=1)
TIMES = {"seconds", "sequences_per_s", "sequences_per_s_with_tracing", "resumed_after"}


def kill_and_resume(settings, ended_in_epoch, validation=VALIDATION):
    """The model and the history of a training that is ended in an epoch and goes on in another model."""
    kept = []
    with pytest.raises(EndedError):
        train(model_with_dropout(), settings, validation=validation, ended_in_epoch=ended_in_epoch, save=kept.append)
    assert [snapshot.epochs for snapshot in kept] == list(range(1, ended_in_epoch))
    model = model_with_dropout(seed=9)  # nothing of it may stay
    return model, train(model, settings, validation=validation, snapshot=kept[-1])


def whole(settings, validation=VALIDATION):
    model = model_with_dropout()
    return model, train(model, settings, validation=validation)


def check_that_nothing_is_seen_of_a_kill(settings, ended_in_epoch, validation=VALIDATION):
    model, history = whole(settings, validation)
    resumed, resumed_history = kill_and_resume(settings, ended_in_epoch, validation)
    assert are_equal(state_of(model), state_of(resumed))
    before, after = (dataclasses.asdict(one) for one in (history, resumed_history))
    assert {name: before[name] for name in before.keys() - TIMES} == {
        name: after[name] for name in after.keys() - TIMES
    }
    assert resumed_history.resumed_after == [ended_in_epoch - 1]
    assert resumed_history.seconds > 0
    return history


@pytest.mark.parametrize(
    "settings",
    [
        {},
        pytest.param(
            {"average": "last", "average_epochs": 2, "schedule": "cosine_decay", "warmup_steps": 20},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            {"average": "ema", "optimizer": "adamw", "label_smoothing": 0.1, "global_clipnorm": 0.5},
            marks=pytest.mark.exhaustive,
        ),
    ],
)
def test_a_training_that_was_killed_and_goes_on_ends_with_the_same_weights_bit_by_bit(settings):
    """With dropout, an optimizer that has moments, and the best of all epochs, which was before the kill."""
    history = check_that_nothing_is_seen_of_a_kill(SETTINGS.model_copy(update=settings), ended_in_epoch=4)
    assert history.best_epoch <= 3 or settings


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="float32", marks=pytest.mark.slow),
        pytest.param({"precision": "mixed_float16", "average": "last"}, id="float16", marks=pytest.mark.exhaustive),
    ],
)
def test_the_pipelines_own_model_goes_on_bit_by_bit_with_all_that_is_random_in_it(settings):
    """Dropout of every kind, and decoder inputs that are sampled from the model."""
    settings = SETTINGS.model_copy(update={"epochs": 3, "sampling": "linear", "schedule": "cosine_decay", **settings})
    model_settings = ModelSettings(
        units=4, embedding=4, layers=2, bidirectional=True, attention="luong_general", input_feeding=True, dropout=0.2,
        recurrent_dropout=0.2, output_dropout=0.2,
    )  # fmt: skip

    def model(seed=0):
        keras.utils.set_random_seed(seed)
        with layers_of(settings.precision):
            models = build_models(Architecture(Side(6), Side(6), masked=True, settings=model_settings))
        return with_sampling(models, settings, n_train=70, seed=0)

    whole, resumed, kept = model(), model(seed=9), []
    train(whole, settings, validation=VALIDATION, save=kept.append)
    train(resumed, settings, validation=VALIDATION, snapshot=kept[0])
    assert are_equal(state_of(whole), state_of(resumed))


@pytest.mark.slow
def test_patience_counts_on_after_a_kill():
    settings = SETTINGS.model_copy(update={"patience": 2, "epochs": 9})
    history = check_that_nothing_is_seen_of_a_kill(settings, ended_in_epoch=3)
    assert len(history.epochs) < 9


def test_no_snapshot_is_taken_where_no_epoch_follows():
    """One epoch pays nothing for it; nor does the epoch at which patience is at its end."""
    kept = []
    train(model_with_dropout(), SETTINGS.model_copy(update={"epochs": 1}), save=kept.append)
    assert kept == []
    settings = SETTINGS.model_copy(update={"patience": 1, "epochs": 9})
    history = train(model_with_dropout(), settings, validation=VALIDATION, save=kept.append)
    assert len(kept) == len(history.epochs) - 1 < 8


def test_a_training_that_goes_on_has_a_rate_without_what_was_traced_twice():
    _, history = kill_and_resume(SETTINGS, ended_in_epoch=3)
    assert history.sequences_per_s > history.sequences_per_s_with_tracing


def test_the_states_of_all_random_generators_are_in_a_snapshot():
    """Those of recurrent cells too, which Keras leaves out of `weights`."""
    layers = keras.layers
    model = keras.Sequential(
        [layers.Input((3, 2)), layers.LSTM(2, dropout=0.1, recurrent_dropout=0.1), layers.Dropout(0.1)]
    )
    model.compile("adam", "mse")
    kinds = [array.dtype.name for array in parts_of(model, {})["model"].arrays()]
    assert kinds.count("int64") == 2
    assert len(kinds) == len(model.get_weights()) + 2
