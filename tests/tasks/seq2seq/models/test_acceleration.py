"""cuDNN's kernels: demanded, or ruled out by a setting."""

import pytest

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.models.acceleration import has_gpu, rules_out_cudnn
from tasks.seq2seq.settings.model import ModelSettings


def test_what_rules_out_the_fast_kernels_is_said_where_there_is_a_gpu():
    settings = ModelSettings(recurrent_dropout=0.2, attention="luong_dot", input_feeding=True)
    dropout, feeding = rules_out_cudnn(settings, on_gpu=True)
    assert "model.recurrent_dropout is 0.2" in dropout
    assert "model.input_feeding" in feeding
    assert rules_out_cudnn(settings, on_gpu=False) == []


def test_an_attending_decoder_of_several_layers_keeps_them():
    settings = ModelSettings(attention="luong_general", layers=2, bidirectional=True, dropout=0.2, layer_norm=True)
    assert rules_out_cudnn(settings, on_gpu=True) == []


@pytest.mark.skipif(has_gpu(), reason="there is a GPU")
def test_demanded_without_a_gpu_they_are_refused():
    with pytest.raises(SettingsError, match=r'model.cudnn is "require", but TensorFlow sees no GPU here'):
        rules_out_cudnn(ModelSettings(cudnn="require"), on_gpu=has_gpu())
