"""The ONNX file decodes what we predict, in tokens and scores, whatever it is given."""

import numpy as np
import onnx
import pytest

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.collate import source_array
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tests.helpers.exported import Exported, agrees, run_onnx
from tests.tasks.seq2seq.models.test_kinds import KINDS

WORDS = Vocabulary.learn("words", dict.fromkeys("abcdef", 1), "source")
SYMBOLS = Vocabulary.identity(9)
VECTORS = Scaling((0.0, 0.0), (1.0, 1.0), (0.0, 0.0), (1.0, 1.0))
LENGTHS = np.array([0, 5, 1, 7, 3, 3, 2, 6] * 3)


def sources(codec, lengths):
    rng = np.random.default_rng(0)
    if isinstance(codec, Scaling):
        return Sequences.of_lengths(rng.normal(size=(lengths.sum(), 2)), lengths)
    return Sequences.of_lengths(rng.integers(codec.reserved, codec.size, lengths.sum(), dtype=np.int32), lengths)


def decoded(model, given):
    """What the file answers, which is what we predict."""
    answer = run_onnx(model.onnx, source_array(given, model.codecs.source))
    agrees(model.codecs, answer, given, model.predictor)
    return answer


def test_symbols_of_a_fixed_length_are_decoded_alike_whatever_the_number_and_the_length_of_sources():
    model = Exported.of(SYMBOLS, SYMBOLS, masked=False, n_steps=5)
    for n, length in ((6, 4), (1, 9)):
        assert decoded(model, sources(SYMBOLS, np.full(n, length)))["tokens"].shape == (n, 5)


def test_sequences_with_an_end_are_decoded_alike_and_filled_up_with_the_end():
    model = Exported.of(WORDS, WORDS, n_steps=8, cell="gru").favour(WORDS.end, 0.3)
    given = sources(WORDS, LENGTHS)
    at_limit = model.predictor.predict(given).at_limit
    assert at_limit is not None
    assert 0 < at_limit.sum() < len(at_limit)
    assert decoded(model, given)["tokens"].shape == (24, 8)
    of_early = decoded(model, given.take(np.flatnonzero(~at_limit)[:1]))
    assert of_early["tokens"].shape == (1, 8)
    assert of_early["tokens"][0, -1] == WORDS.end


def test_once_all_have_ended_no_more_steps_are_taken_and_the_end_fills_up():
    """Here the first token is the end; what would come after is never decoded."""
    model = Exported.of(WORDS, WORDS, n_steps=6).favour(WORDS.end, 100)
    answer = run_onnx(model.onnx, np.array([[4, 2], [5, 2]], np.int32))
    assert answer["tokens"].tolist() == [[WORDS.end] * 6] * 2
    assert answer["log_probability"] == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize("source", [VECTORS, WORDS], ids=["vectors", "words"])
def test_vectors_are_forecast_alike(source):
    model = Exported.of(source, VECTORS, n_steps=4)
    assert decoded(model, sources(source, LENGTHS + 1))["vectors"].shape == (24, 4, 2)


def test_attention_and_what_is_fed_back_of_it_go_through_the_loop():
    model = Exported.of(WORDS, WORDS, n_steps=8, **KINDS["one-hot with input feeding"])
    decoded(model, sources(WORDS, LENGTHS))


@pytest.mark.exhaustive
@pytest.mark.parametrize("masked", [True, False], ids=["masked", "fixed"])
@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_every_kind_of_model_is_decoded_alike(kind, masked):
    codec = WORDS if masked else SYMBOLS
    model = Exported.of(codec, codec, masked=masked, n_steps=8, **kind)
    decoded(model, sources(codec, LENGTHS if masked else np.full(20, 5)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["plain", "general attention"])
def test_a_vocabulary_of_50_000_is_decoded_alike_with_the_sums_of_all_its_logits(kind):
    """A sum of so many numbers in the runtime's own `ReduceLogSumExp` is off by 0.001."""
    large = Vocabulary.identity(50_000)
    model = Exported.of(large, large, masked=False, n_steps=6, **{**KINDS[kind], "units": 64, "embedding": 32})
    given = sources(large, np.full(200, 6))
    answer, predicted = run_onnx(model.onnx, source_array(given, large)), model.predictor.predict(given)
    assert (answer["tokens"] == predicted.sequences.padded()).all()
    logits = model.models.train.predict(
        [source_array(given, large), np.pad(answer["tokens"], ((0, 0), (1, 0)))[:, :-1]], verbose=0
    ).astype(np.float64)
    chosen = np.take_along_axis(logits, answer["tokens"][..., None], axis=2)[..., 0]
    largest = logits.max(axis=2)
    exact = (chosen - largest - np.log(np.exp(logits - largest[..., None]).sum(axis=2))).sum(axis=1)
    assert answer["log_probability"] == pytest.approx(exact, abs=1e-4)
    assert predicted.log_probability == pytest.approx(exact, abs=1e-4)


def test_sizes_of_the_file_have_names():
    model = Exported.of(SYMBOLS, SYMBOLS, masked=False, n_steps=3)
    graph = model.onnx.graph
    sizes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert sizes == {"source": ["batch", "source_length"], "tokens": ["batch", 3], "log_probability": ["batch"]}


def test_the_file_holds_operations_of_the_standard_only():
    """Every runtime for ONNX has them."""
    model = Exported.of(WORDS, WORDS, n_steps=3, **KINDS["input feeding"]).onnx
    onnx.checker.check_model(model, full_check=True)
    assert [(opset.domain, opset.version) for opset in model.opset_import] == [("", 18)]
