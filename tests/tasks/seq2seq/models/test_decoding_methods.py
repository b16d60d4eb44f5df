from typing import Any

import pytest

from tasks.seq2seq.models.decoding_methods import METHODS
from tasks.seq2seq.settings.decoding import DECODING_METHODS, DecodingSettings


def test_the_settings_know_the_methods_of_the_table():
    assert list(METHODS) == list(DECODING_METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_searches_with_the_width_of_its_settings(name):
    decoding = DecodingSettings(method=name)
    no_step: Any = None  # a search takes none before it is run
    assert METHODS[name].search(no_step, decoding, 4, None).width == METHODS[name].width(decoding)


def test_the_settings_of_a_method_are_settings_of_decoding_and_of_no_other_method():
    settings = [setting for rule in DECODING_METHODS.values() for setting in rule.settings]
    assert set(settings) <= set(DecodingSettings.model_fields)
    assert len(set(settings)) == len(settings)
