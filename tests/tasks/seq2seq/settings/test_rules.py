import pytest

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.rules import check_experiment, check_section, nearest


def faults(raw):
    with pytest.raises(SettingsError) as error:
        check_experiment(raw)
    return str(error.value).splitlines()


def test_a_sound_experiment_passes_as_it_is():
    raw = {"seed": 3, "data": {"problem": "sort", "n_in": 4}, "model": {"units": 8}}
    assert check_experiment(raw) == Experiment.model_validate(raw)


def test_all_faults_are_told_together_each_with_its_key():
    """Wrong types, wrong ranges, unknown keys and rules across fields, in one go."""
    found = faults(
        {
            "seed": -1,
            "colour": "red",
            "data": {"problem": "copy", "n_out": 4},
            "model": {"units": "many", "unit": 3},
            "training": {"learning_rate": 0},
        }
    )
    keys = ("seed", "colour", "data.n_out", "model.units", "model.unit", "training.learning_rate")
    assert len(found) == len(keys)
    for key in keys:
        assert any(fault.startswith((f"{key} ", f"{key}:")) for fault in found), key


def test_a_fault_tells_what_came():
    assert "got 'many'" in faults({"model": {"units": "many"}})[0]


@pytest.mark.parametrize(
    ("raw", "unknown", "meant"),
    [
        ({"model": {"unit": 3}}, "model.unit", "units"),
        ({"trainig": {}}, "trainig", "training"),
        ({"data": {"n_sample": 3}}, "data.n_sample", "n_samples"),
        ({"data": {"train": "a.parquet", "sorce": "x"}}, "data.sorce", "source"),
        (
            {"evaluation": {"min_sequence_acuracy": 0.5}},
            "evaluation.min_sequence_acuracy",
            "min_sequence_accuracy",
        ),
    ],
)
def test_an_unknown_key_comes_with_the_nearest_known_one(raw, unknown, meant):
    (fault,) = faults(raw)
    assert fault.startswith(f"{unknown} is not a setting, did you mean {meant!r}?")


def test_an_unknown_key_that_is_near_to_none_lists_the_known_ones():
    (fault,) = faults({"model": {"xyz": 1}})
    assert "did you mean" not in fault
    assert "cell, units, encoder_units" in fault


def test_files_need_their_training_file():
    assert faults({"data": {"kind": "files"}}) == ["data.train is required"]


def test_an_unknown_kind_of_data_is_refused_with_its_key():
    (fault,) = faults({"data": {"kind": "magic"}})
    assert fault.startswith("data")
    assert "magic" in fault


@pytest.mark.parametrize("data", [5, "synthetic", [1]])
def test_a_section_that_is_none_is_refused_with_its_key(data):
    (fault,) = faults({"data": data})
    assert fault.startswith("data:")


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ({"data": {"problem": "addition", "cardinality": 11}}, "data.cardinality"),
        ({"data": {"problem": "addition", "n_in": 6}}, "data.n_in"),
        ({"data": {"problem": "sort", "n_out": 6}}, "data.n_out"),
        ({"data": {"n_in": 3, "n_out": 4}}, "data.n_out"),
    ],
)
def test_a_derived_or_contradicting_size_is_refused_with_its_key(raw, key):
    (fault,) = faults(raw)
    assert fault.startswith(key)


def test_too_few_sources_for_a_fresh_set_are_refused_with_their_number():
    (fault,) = faults({"data": {"problem": "copy", "n_in": 2, "cardinality": 3}, "evaluation": {"n_samples": 5}})
    assert fault.startswith("evaluation.n_samples")
    assert "only 9" in fault


def test_fractions_must_leave_training_data():
    data = {"train": "a.parquet", "validation_fraction": 0.5, "test_fraction": 0.5}
    (fault,) = faults({"data": data})
    assert "data.validation_fraction" in fault
    assert "data.test_fraction" in fault


@pytest.mark.parametrize("own", ["validation", "test"])
def test_a_split_with_a_file_of_its_own_takes_no_share(own):
    data = {"train": "a.parquet", "validation_fraction": 0.5, "test_fraction": 0.5, own: "b.parquet"}
    assert check_experiment({"data": data})


def test_source_and_target_must_be_two_columns():
    (fault,) = faults({"data": {"train": "a.parquet", "source": "x", "target": "x"}})
    assert fault.startswith("data.target is 'x'")


PAIRS = {"train": "a.csv"}
SERIES = {**PAIRS, "history": 3, "horizon": 2, "source_encoding": "vectors", "target_encoding": "vectors"}


def keys(raw):
    return [fault.split()[0] for fault in faults(raw)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({**PAIRS, "header": False, "source": "x"}, ["data.source"]),
        ({**PAIRS, "header": False, "source": "x", "target": "y"}, ["data.source", "data.target"]),
        ({**PAIRS, "header": False, "source": 1}, ["data.target"]),  # the target's position is 1 too
        ({**PAIRS, "source": ["x", "y"]}, ["data.source"]),
        ({**PAIRS, "target": ["x", "y"]}, ["data.target"]),
        ({**SERIES, "source": "x,y,x"}, ["data.source", "data.target"]),  # the target is the source's columns
        ({**SERIES, "source": "x", "target": ["y", "y"]}, ["data.target"]),
        ({**PAIRS, "weight": "source"}, ["data.weight"]),
        ({**PAIRS, "header": False, "weight": "1"}, ["data.weight"]),  # the target's position
        ({**PAIRS, "header": False, "weight": "w"}, ["data.weight"]),
        ({**SERIES, "source": "x", "weight": "w"}, ["data.weight"]),
    ],
)
def test_columns_that_do_not_fit_are_refused_with_their_key(data, expected):
    assert keys({"data": data}) == expected


@pytest.mark.parametrize(
    "data",
    [
        {**PAIRS, "header": False},
        {**PAIRS, "header": False, "source": "1", "target": "0"},
        {**SERIES, "source": "x,y"},
        {**SERIES, "source": ["x", "y"], "target": "x"},
        {**PAIRS, "weight": "w"},
        {**PAIRS, "header": False, "weight": "2"},
    ],
)
def test_columns_that_fit_pass(data):
    assert check_experiment({"data": data})


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({**PAIRS, "history": 3}, ["data.history"]),
        ({**PAIRS, "horizon": 3}, ["data.horizon"]),
        ({**PAIRS, "stride": 2, "season": 12}, ["data.stride", "data.season"]),
        ({**PAIRS, "relative_to_last": True}, ["data.relative_to_last"]),
        ({**SERIES, "source_encoding": "words"}, ["data.source_encoding"]),
        ({**SERIES, "target_encoding": "characters"}, ["data.target_encoding"]),
        ({**SERIES, "source_encoding": "integers", "source": "x,y", "target": "z"}, ["data.source"]),
        ({**SERIES, "source_encoding": "integers", "relative_to_last": True}, ["data.relative_to_last"]),
    ],
)
def test_a_series_that_does_not_fit_is_refused_with_its_key(data, expected):
    assert keys({"data": data}) == expected


@pytest.mark.parametrize(
    "data",
    [
        {**SERIES, "relative_to_last": True, "stride": 2, "season": 12},
        {**PAIRS, "history": 3, "horizon": 2},  # of integers
    ],
)
def test_a_series_that_fits_passes(data):
    assert check_experiment({"data": data})


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"data": {**PAIRS, "source_lowercase": True}}, ["data.source_lowercase"]),
        (
            {"data": {**PAIRS, "target_lowercase": True, "target_encoding": "vectors"}},
            ["data.target_lowercase"],
        ),
        ({"data": {**PAIRS, "source_encoding": "vectors", "empty_source": "keep"}}, ["data.empty_source"]),
        ({"data": {**PAIRS, "target_encoding": "vectors", "empty_target": "keep"}}, ["data.empty_target"]),
        ({"data": {**PAIRS, "shared_vocabulary": True, "source_encoding": "words"}}, ["data.shared_vocabulary"]),
        ({"data": {**SERIES, "shared_vocabulary": True}}, ["data.shared_vocabulary"]),
        (
            {
                "data": {
                    **PAIRS,
                    "shared_vocabulary": True,
                    "source_encoding": "words",
                    "target_encoding": "words",
                    "target_lowercase": True,
                }
            },
            ["data.shared_vocabulary"],
        ),
        ({"data": PAIRS, "training": {"loss": "huber"}}, ["training.loss"]),
        ({"training": {"loss": "mean_squared_error"}}, ["training.loss"]),
        (
            {
                "data": {**PAIRS, "target_encoding": "vectors"},
                "training": {"loss": "sparse_categorical_crossentropy"},
            },
            ["training.loss"],
        ),
        (
            {"data": {**PAIRS, "target_encoding": "vectors"}, "evaluation": {"bleu": True, "chrf": True}},
            ["evaluation.bleu", "evaluation.chrf"],
        ),
    ],
)
def test_settings_that_do_not_fit_the_encoding_are_refused_with_their_key(raw, expected):
    assert keys(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        {"data": {**PAIRS, "source_encoding": "words", "source_lowercase": True, "empty_source": "keep"}},
        {"data": {**PAIRS, "source_encoding": "vectors"}, "evaluation": {"bleu": True, "chrf": True}},
        {"data": {**PAIRS, "target_encoding": "vectors"}, "training": {"loss": "cosine_similarity"}},
        {"training": {"loss": "sparse_categorical_crossentropy"}},
    ],
)
def test_settings_that_fit_the_encoding_pass(raw):
    assert check_experiment(raw)


TIED = {"tie_embeddings": True, "units": 64}
WORDS = {**PAIRS, "source_encoding": "words", "target_encoding": "words"}


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"model": {"source_vectors": "v.txt", "target_vectors": "v.txt"}}, ["model.source_vectors", "model.target_vectors"]),
        ({"data": {**WORDS, "source_encoding": "vectors"}, "model": {"source_vectors": "v.txt"}}, ["model.source_vectors"]),
        ({"data": WORDS, "model": {"target_vectors": "v.txt", "embedding": 0}}, ["model.target_vectors"]),
        ({"data": WORDS, "model": {"train_vectors": False}}, ["model.train_vectors"]),
        ({"data": WORDS, "model": {"target_vectors": "v.txt", "target_embedding": 0}}, ["model.target_vectors"]),
        ({"data": WORDS, "model": {**TIED, "target_vectors": "v.txt", "train_vectors": False}}, ["model.train_vectors"]),
    ],
    ids=["synthetic", "real vectors", "one-hot", "nothing to keep", "one-hot target", "an output that would not learn"],
)  # fmt: skip
def test_pre_trained_vectors_are_for_embeddings_of_symbols_of_files(raw, expected):
    assert keys(raw) == expected


def test_one_table_takes_one_file_of_vectors():
    """The data, whose vocabulary is not shared, has a fault of its own."""
    model = {"share_embeddings": True, "source_vectors": "v.txt"}
    assert keys({"data": WORDS, "model": model}) == ["model.share_embeddings"]
    found = keys({"data": WORDS, "model": {**model, "target_vectors": "v.txt"}})
    assert found == ["model.share_embeddings", "model.target_vectors"]
    found = keys({"data": WORDS, "model": {**model, **TIED, "train_vectors": False}})
    assert found == ["model.share_embeddings", "model.train_vectors"]


def test_pre_trained_vectors_of_words_characters_and_integers_pass():
    for encoding in ("words", "characters", "integers"):
        data = {**PAIRS, "source_encoding": encoding, "target_encoding": "vectors"}
        assert check_experiment({"data": data, "model": {"source_vectors": "v.txt", "train_vectors": False}})


def test_rules_that_look_at_files_are_told_together_with_the_others():
    found = []

    def look(sections):
        found.append(sections)
        yield "a file"

    with pytest.raises(SettingsError) as error:
        check_experiment({"data": PAIRS, "model": {"train_vectors": False}}, also=[look])
    assert [line.split()[0] for line in str(error.value).splitlines()] == ["model.train_vectors", "a"]
    assert found[0]["model"].train_vectors is False


def test_faults_of_all_rules_and_all_sections_are_told_together():
    """Also beside a fault in a single section, which here is that of a number."""
    data = {
        **PAIRS,
        "source": "x",
        "target": "x",
        "source_lowercase": True,
        "stride": 2,
        "validation_fraction": 0.6,
        "test_fraction": 0.6,
    }
    found = faults({"data": data, "training": {"loss": "huber"}, "model": {"units": 0}})
    assert [fault.split()[0] for fault in found] == [
        "model.units:",
        "data.validation_fraction",
        "data.target",
        "data.stride",
        "data.source_lowercase",
        "training.loss",
    ]


def test_a_rule_that_lacks_a_sound_section_keeps_still():
    """The number of fresh samples is wrong in itself, so nothing is said of the sources."""
    (fault,) = faults({"data": {"n_in": 1, "cardinality": 2}, "evaluation": {"n_samples": 0}})
    assert fault.startswith("evaluation.n_samples")


def test_a_single_section_is_checked_in_the_same_words():
    assert check_section(ModelSettings, {"units": 3}) == ModelSettings(units=3)
    with pytest.raises(SettingsError, match=r"units: .*got 0"):
        check_section(ModelSettings, {"units": 0})


def test_nearest_says_nothing_where_nothing_is_near():
    assert nearest("units", ["epochs"]) == ""
    assert nearest("epoch", ["epochs", "units"]) == ", did you mean 'epochs'?"


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"sampling_probability": 0.5}, ["training.sampling_probability"]),
        ({"sampling": "exponential", "sampling_probability": 0.5}, ["training.sampling_probability"]),
        ({"sampling": "constant", "sampling_steps": 9}, ["training.sampling_steps"]),
        ({"sampling": "linear", "sampling_k": 0.5}, ["training.sampling_k"]),
        ({"sampling": "exponential", "sampling_k": 1}, ["training.sampling_k"]),
        ({"sampling": "inverse_sigmoid", "sampling_k": 0.9}, ["training.sampling_k"]),
        ({"sampling_k": 0.9, "sampling_steps": 2}, ["training.sampling_steps", "training.sampling_k"]),
    ],
)
def test_settings_of_another_sampling_schedule_are_refused_with_their_key(training, expected):
    assert keys({"training": training}) == expected


@pytest.mark.parametrize(
    "training",
    [
        {"sampling": "constant", "sampling_probability": 1.0},
        {"sampling": "linear", "sampling_probability": 0.5, "sampling_steps": 9},
        {"sampling": "exponential", "sampling_k": 0.999},
        {"sampling": "inverse_sigmoid", "sampling_k": 1},
    ],
)
def test_settings_of_the_chosen_sampling_schedule_pass(training):
    assert check_experiment({"training": training})
