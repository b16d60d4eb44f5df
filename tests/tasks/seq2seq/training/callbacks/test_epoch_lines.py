import pytest

from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.callbacks.epoch_lines import describe_epoch
from tests.helpers.trainings import model_with_dropout, random_pairs, train

EPOCHS = [
    {"pairs": 1000, "loss": 1.5, "accuracy": 0.5, "val_loss": 1.25, "val_accuracy": 0.625},
    {"pairs": 2000, "loss": 0.75, "accuracy": 0.75, "val_loss": 1.5, "val_accuracy": 0.5},
]


def test_a_line_says_what_the_epoch_gave_what_it_took_and_which_was_the_best():
    assert describe_epoch(EPOCHS, 20, 12.0, 1000) == (
        "Epoch 2/20: loss 0.7500, teacher-forced accuracy 0.7500; validation loss 1.5000, teacher-forced accuracy "
        "0.5000; best so far: epoch 1; 12 s, 83 sequences/s, 4 min left"
    )


def test_without_validation_none_is_the_best_and_at_the_end_no_time_is_left():
    epochs = [{"pairs": 500, "loss": 0.5, "mae": 0.25}]
    assert describe_epoch(epochs, 1, 7200.0, 500) == (
        "Epoch 1/1: loss 0.5000, mean absolute error in standard deviations 0.2500; 2.0 h, 0 sequences/s"
    )


@pytest.mark.seconds
def test_a_training_says_a_line_an_epoch_and_keeps_what_it_says():
    lines = []
    settings = TrainingSettings(epochs=3, batch_size=32)
    history = train(model_with_dropout(), settings, validation=random_pairs(40, seed=1), say=lines.append)
    assert [line.partition(":")[0] for line in lines] == ["Epoch 1/3", "Epoch 2/3", "Epoch 3/3"]
    for line, epoch in zip(lines, history.epochs, strict=True):
        assert f"validation loss {epoch['val_loss']:.4f}" in line
