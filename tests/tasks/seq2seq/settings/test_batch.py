"""What a batch prediction is asked for, and the decoding that comes of it and of the model's own."""

import pytest

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.batch import BatchSettings, check_batch_settings
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.rules import check_experiment

GIVEN = {"inputs": ["a.csv"], "output": "out"}
FILES = {"data": {"train": "x.csv"}}


def decoding(chosen, own=None, **sections):
    experiment = check_experiment({**(sections or FILES), "decoding": own or {}})
    return check_batch_settings({**GIVEN, "decoding": chosen}).decoding_of(experiment)


def test_inputs_and_an_output_are_enough():
    settings = check_batch_settings(GIVEN)
    assert (settings.model, settings.format, settings.settle, settings.origins) == (None, "parquet", 10.0, "last")
    assert (settings.max_reject_rate, settings.fail_on_drift, settings.drift_threshold) == (None, False, 0.25)
    assert settings.decoding == DecodingSettings()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({}, ("no INPUT is given", "--output is required")),
        ({"inputs": [], "output": "x"}, ("no INPUT is given",)),
        ({**GIVEN, "chunk_row": 5}, ("did you mean 'chunk_rows'",)),
        ({**GIVEN, "decoding": {"width": 5}}, ("decoding.width",)),
        ({**GIVEN, "chunk_rows": 0, "runner": {"workers": 0}}, ("chunk_rows", "runner.workers")),
        ({**GIVEN, "workers": 2}, ("workers is now runner.workers",)),
        ({**GIVEN, "runner": "processes"}, ("set runner.kind to 'processes'",)),
        ({**GIVEN, "runner": {"address": "tcp://h:1"}}, ("runner.address", "runner.kind")),
        ({**GIVEN, "settle": float("inf")}, ("settle",)),
        ({**GIVEN, "settle": float("nan")}, ("settle",)),
        ({**GIVEN, "max_reject_rate": 1.5}, ("max_reject_rate",)),
        ({**GIVEN, "drift_threshold": 0}, ("drift_threshold",)),
        ({**GIVEN, "format": "xml"}, ("format",)),
        ({**GIVEN, "delimiter": ""}, ("delimiter",)),
    ],
)
def test_all_faults_are_named(raw, expected):
    with pytest.raises(SettingsError) as error:
        check_batch_settings(raw)
    for part in expected:
        assert part in str(error.value)


def test_settings_never_change():
    with pytest.raises(ValueError, match="frozen"):
        check_batch_settings(GIVEN).format = "csv"  # type: ignore[misc] # what the test is about


def test_what_is_not_set_is_the_models_own():
    own = {"method": "beam", "beam_width": 7, "length_penalty": 0.6, "n_best": 2}
    assert decoding({}, own) == DecodingSettings(**own)
    assert decoding({"beam_width": 3}, own) == DecodingSettings(**{**own, "beam_width": 3})
    assert decoding({"method": "beam"}, own) == DecodingSettings(**own)


def test_another_method_starts_from_its_defaults_but_for_the_limit_of_the_length():
    own = {"method": "beam", "beam_width": 7, "length_penalty": 0.6, "n_best": 2, "max_length": 9}
    assert decoding({"method": "sample"}, own) == DecodingSettings(method="sample", max_length=9)
    assert decoding({"method": "greedy", "max_length": 3}, own) == DecodingSettings(max_length=3)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"n_best": 2}, "n_best"),
        ({"method": "beam", "beam_width": 2, "n_best": 3}, "n_best"),
        ({"beam_width": 3}, "beam_width"),
        ({"temperature": 0.5}, "temperature"),
        ({"method": "beam", "top_k": 2}, "top_k"),
    ],
)
def test_a_decoding_that_does_not_fit_its_method_is_refused(chosen, expected):
    with pytest.raises(SettingsError, match=expected):
        decoding(chosen)


def test_a_decoding_that_does_not_fit_the_model_is_refused():
    with pytest.raises(SettingsError, match="max_length"):
        decoding({"max_length": 3}, data={"n_in": 4, "n_out": 2})
    vectors = {"train": "x.csv", "source_encoding": "vectors", "target_encoding": "vectors"}
    for chosen in ({"method": "beam"}, {"method": "sample"}):
        with pytest.raises(SettingsError, match=r"decoding\.method"):
            decoding(chosen, data=vectors)
    assert decoding({}, data=vectors) == DecodingSettings()


def test_settings_survive_the_way_to_prefect_and_back():
    settings = check_batch_settings({**GIVEN, "decoding": {"method": "beam"}, "target": ["a", "b"]})
    again = check_batch_settings(settings.model_dump(mode="json", exclude_unset=True))
    assert again == settings
    assert again.decoding.model_fields_set == {"method"}
    assert BatchSettings.model_validate_json(settings.model_dump_json()) == settings
