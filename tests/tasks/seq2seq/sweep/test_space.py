"""The space of a sweep: what may be tried, and every fault of it at once."""

import pytest

from tasks.seq2seq.sweep.space import SWEPT, Choice, Range, read_space


def test_a_list_is_a_choice_and_low_and_high_are_a_range():
    space, faults = read_space(
        {
            "model.units": [64, 128],
            "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
            "training.batch_size": {"low": 16, "high": 256},
            "training.patience": {"low": 1, "high": 3},
        }
    )
    assert faults == []
    assert space == (
        Choice("model.units", (64, 128)),
        Range("training.learning_rate", 1e-4, 1e-2, log=True, is_whole=False),
        Range("training.batch_size", 16, 256, log=False, is_whole=True),
        Range("training.patience", 1, 3, log=False, is_whole=True),
    )


def test_a_name_with_dots_is_the_same_as_a_table_in_a_table():
    """TOML reads `model.units = [8]` below [sweep.space] as a table in a table, and `"model.units" = [8]` as a name."""
    values = {"low": 1, "high": 3}
    assert read_space({"model": {"units": [8], "layers": values}}) == read_space(
        {"model.units": [8], "model.layers": values}
    )


@pytest.mark.parametrize(
    ("setting", "values", "said"),
    [
        ("model.unit", [8], "sweep.space.model.unit is not a setting, did you mean 'model.units'?"),
        ("nonsense", [8], "sweep.space.nonsense is not a setting"),
        ("data.n_in", [4], "sweep.space.data.n_in cannot be tried: trials are ranked on the same pairs"),
        ("seed", [1, 2], "sweep.space.seed cannot be tried"),
        ("evaluation.min_sequence_accuracy", [0.1], "cannot be tried"),
        ("training.tensorboard", ["logs"], "sweep.space.training.tensorboard is a path"),
        ("model.units", 8, "sweep.space.model.units is 8; expected a list of choices, or low and high"),
        ("model.units", [], "sweep.space.model.units has no choices"),
        ("model.units", [8, 16, 8], "sweep.space.model.units has the choice 8 twice"),
        ("model.units", [8, "many"], "sweep.space.model.units: Input should be a valid integer"),
        ("model.units", [0], "sweep.space.model.units: Input should be greater than or equal to 1 (got 0)"),
        ("model.cell", ["lstm", "grue"], "(got 'grue')"),
        ("model.units", {"low": 8}, "expected a list of choices, or low and high"),
        ("model.units", {"low": 8, "high": 16, "step": 4}, "sweep.space.model.units has step"),
        ("model.units", {"low": 16, "high": 16}, "goes from 16 to 16; low must be below high"),
        ("model.units", {"low": 32, "high": 16}, "goes from 32 to 16; low must be below high"),
        ("model.units", {"low": 8.5, "high": 16}, "got a number with a fractional part (got 8.5)"),
        ("model.units", {"low": True, "high": 16}, "expected a list of choices"),
        ("training.learning_rate", {"low": 0.0, "high": 0.1, "log": True}, "has log = true and low = 0"),
        ("model.dropout", {"low": -0.5, "high": 0.5}, "sweep.space.model.dropout: Input should be greater than"),
        ("training.learning_rate", {"low": 1.0, "high": float("inf")}, "expected a list of choices"),
        ("training.learning_rate", {"low": 1.0, "high": 2.0, "log": "yes"}, "expected a list of choices"),
        ("model.bidirectional", {"low": 0, "high": 1}, "is not a number, of which a range can be drawn"),
        ("model.cell", {"low": 0, "high": 1}, "is not a number, of which a range can be drawn"),
    ],
)
def test_what_cannot_be_tried_is_told_with_its_key(setting, values, said):
    space, faults = read_space({setting: values, "model.layers": [1, 2]})
    assert space == (Choice("model.layers", (1, 2)),)
    assert any(said in fault for fault in faults), faults


def test_all_faults_are_told_together():
    _, faults = read_space({"model.unit": [8], "model.layers": [], "model": {"units": {"low": 9, "high": 8}}})
    assert [fault.split()[0] for fault in faults] == [
        "sweep.space.model.unit", "sweep.space.model.layers", "sweep.space.model.units",
    ]  # fmt: skip


def test_a_setting_that_is_named_in_both_ways_is_there_twice():
    _, faults = read_space({"model.units": [8], "model": {"units": [16]}})
    assert faults == ["sweep.space.model.units is there twice"]


def test_every_setting_of_a_swept_section_can_be_tried_with_its_default_but_for_paths():
    for section, model in SWEPT.items():
        for name, field in model.model_fields.items():
            _, faults = read_space({f"{section}.{name}": [field.default]})
            assert all("is a path" in fault for fault in faults), faults
