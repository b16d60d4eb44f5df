import pytest

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.rules import check_experiment

FILES = {"train": "a.csv"}
QUANTILES = {"loss": "quantile"}
VECTORS = {"train": "a.csv", "target_encoding": "vectors"}


@pytest.mark.parametrize(
    ("training", "data", "said"),
    [
        ({"alpha": 0.1}, FILES, 'training.alpha is 0.1, but training.schedule is "constant"; it is for "cosine_decay"'),
        ({"decay_steps": 9, "schedule": "reduce_lr_on_plateau"}, FILES, "training.decay_steps is 9, but"),
        ({"plateau_patience": 9, "schedule": "cosine_decay"}, FILES, "training.plateau_patience is 9, but"),
        ({"schedule": "reduce_lr_on_plateau"}, {}, "needs a validation split; a synthetic problem has none"),
        ({"patience": 3}, {}, "training.patience is 3, which needs a validation split"),
        ({"patience": 3}, {**FILES, "validation_fraction": 0}, "data.validation_fraction is 0"),
        ({"warmup_steps": 5, "warmup_share": 0.1}, FILES, "give one of them"),
        ({"warmup_steps": 5, "schedule": "reduce_lr_on_plateau"}, FILES, "choose another schedule, or no warm-up"),
        ({"warmup_steps": 8}, {"n_samples": 1000}, "warmup_steps is 8, but the whole training has 4 steps"),
        ({"clipnorm": 1, "clipvalue": 1}, FILES, "training.clipnorm and training.clipvalue are set"),
        ({"average": "last"}, FILES, "training.epochs is 1; there is only one end of an epoch"),
        ({"average_epochs": 3, "average": "ema"}, FILES, "training.average_epochs is 3, but training.average is"),
        ({"ema_momentum": 0.9}, FILES, 'training.ema_momentum is 0.9, but training.average is "none"; it is for "ema"'),
        (
            {"quantiles": [0.1, 0.5]},
            VECTORS,
            'training.quantiles is [0.1, 0.5], which is for training.loss = "quantile"',
        ),
        (QUANTILES | {"quantiles": [0.1, 0.9]}, VECTORS, "training.quantiles is [0.1, 0.9]; 0.5 must be among them"),
        (QUANTILES | {"quantiles": [0.5, 0.1]}, VECTORS, "training.quantiles is [0.5, 0.1]; expected ascending"),
        (QUANTILES | {"quantiles": [0.5, 0.5]}, VECTORS, "training.quantiles is [0.5, 0.5]; expected ascending"),
        (QUANTILES | {"quantiles": [0.5, 1.0]}, VECTORS, "training.quantiles is [0.5, 1.0]; expected numbers between"),
        (QUANTILES | {"quantiles": [float("nan"), 0.5]}, VECTORS, "expected numbers between 0 and 1"),
        (QUANTILES, FILES, "training.loss is 'quantile', which does not fit a target of tokens"),
        (QUANTILES, {}, "training.loss is 'quantile', which does not fit a target of tokens"),
        ({"label_smoothing": 0.1}, VECTORS, "training.label_smoothing is 0.1, but the target is made of vectors"),
        (
            {"schedule": "polynomial_decay", "end_learning_rate": 0.1},
            FILES,
            "training.end_learning_rate is 0.1, above training.learning_rate, 0.005",
        ),
    ],
)
def test_settings_of_training_that_do_not_fit_are_refused(training, data, said):
    with pytest.raises(SettingsError) as refused:
        check_experiment({"training": training, "data": data})
    assert said in str(refused.value)


def test_all_faults_of_training_are_told_at_once():
    with pytest.raises(SettingsError) as refused:
        check_experiment({"training": {"alpha": 0.1, "patience": 3, "clipnorm": 1, "clipvalue": 1}})
    assert len(str(refused.value).splitlines()) == 3


@pytest.mark.parametrize(
    ("training", "data"),
    [
        ({"schedule": "reduce_lr_on_plateau", "plateau_factor": 0.5, "patience": 4}, FILES),
        ({"schedule": "cosine_decay", "alpha": 0.1, "warmup_share": 0.1, "global_clipnorm": 1}, {}),
        ({"schedule": "exponential_decay", "decay_rate": 0.9, "decay_steps": 100, "weight_decay": 0.01}, FILES),
        ({"label_smoothing": 0.1, "patience": 2}, {**FILES, "validation": "b.csv", "validation_fraction": 0}),
    ],
)
def test_settings_of_training_that_fit_are_taken(training, data):
    assert check_experiment({"training": training, "data": data}).training.epochs == 1


def test_quantiles_are_forecast_with_their_loss_only():
    assert check_experiment({"data": VECTORS}).training.forecast_quantiles == ()
    assert check_experiment({"data": VECTORS, "training": QUANTILES}).training.forecast_quantiles == (0.1, 0.5, 0.9)
    chosen = {**QUANTILES, "quantiles": [0.05, 0.5]}
    assert check_experiment({"data": VECTORS, "training": chosen}).training.forecast_quantiles == (0.05, 0.5)
