import keras
import numpy as np
import pytest

from tasks.seq2seq.cpu import cpu_flags
from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.settings.architecture import Architecture, Side
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.training.precision import layers_of, why_slow
from tests.helpers.trainings import copied_pairs, train

SETTINGS = TrainingSettings(batch_size=32, epochs=2, learning_rate=0.02)
MODEL = ModelSettings(units=16, embedding=8, attention="luong_dot", dropout=0.1)


def build(precision):
    keras.utils.set_random_seed(0)
    with layers_of(precision):
        return build_models(Architecture(Side(6), Side(6), masked=False, settings=MODEL)).train


@pytest.fixture(scope="module", params=["mixed_float16", pytest.param("mixed_bfloat16", marks=pytest.mark.slow)])
def trained(request):
    model = build(request.param)
    history = train(model, SETTINGS.model_copy(update={"precision": request.param}), pairs=copied_pairs(640))
    return request.param, model, history


def test_a_model_learns_in_mixed_precision_with_weights_and_logits_of_32_bits(trained):
    precision, model, history = trained
    assert history.epochs[-1]["loss"] < 0.9 * history.epochs[0]["loss"]
    assert model.get_layer("encoder").compute_dtype == precision.removeprefix("mixed_")
    assert {weight.dtype for weight in model.get_weights()} == {np.dtype(np.float32)}
    assert {output.dtype for output in model.outputs} == {"float32"}


def test_the_loss_is_scaled_for_float16_alone(trained):
    precision, model, _ = trained
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) is (precision == "mixed_float16")


def test_the_weights_are_those_of_a_model_of_float32_that_answers_nearly_the_same(trained):
    """As the export rebuilds it."""
    _, model, _ = trained
    rebuilt = build("float32")
    rebuilt.set_weights(model.get_weights())
    pairs = copied_pairs(20, seed=1)
    inputs = [pairs.source.padded(), np.pad(pairs.target.padded()[:, :-1], [(0, 0), (1, 0)])]
    exact, mixed = (np.asarray(one(inputs)) for one in (rebuilt, model))
    assert rebuilt.get_layer("encoder").compute_dtype == "float32"
    assert 0 < np.abs(exact - mixed).max() < 0.05 * np.abs(exact).max()


def test_other_models_of_the_process_keep_their_precision():
    before = keras.config.dtype_policy().name
    with layers_of("mixed_bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
    with pytest.raises(ZeroDivisionError), layers_of("mixed_bfloat16"):
        raise ZeroDivisionError
    assert keras.config.dtype_policy().name == before
    assert keras.layers.Dense(1).compute_dtype == "float32"


@pytest.mark.parametrize(
    ("precision", "gpus", "flags", "lacking"),
    [
        ("float32", [], [], None),
        ("mixed_bfloat16", [], ["avx2"], "a GPU, or a processor with avx512_bf16 or amx_bf16"),
        ("mixed_bfloat16", [], ["avx512_bf16"], None),
        ("mixed_float16", [], ["avx512_bf16"], "a GPU, or a processor with avx512_fp16 or amx_fp16"),
        ("mixed_bfloat16", [(9, 0), (7, 5)], ["avx512_bf16"], "a GPU of compute capability 8.0 or more"),
        ("mixed_float16", [(7, 5)], [], None),
    ],
)
def test_what_a_machine_lacks_for_a_precision_is_told(precision, gpus, flags, lacking):
    assert why_slow(precision, gpus, flags) == lacking


def test_the_flags_of_this_processor_are_known():
    assert {"sse2", "asimd", "neon"} & cpu_flags()
