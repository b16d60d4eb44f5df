"""Both exports, each in a process without our code, give the tokens and the scores that we predict, on every input."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.collate import source_array
from tasks.seq2seq.data.quantiles import output_names
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.storage.artifacts.export import ONNX_FILE, save_decode
from tests.helpers.exported import Exported, agrees

WORDS = Vocabulary.learn("words", dict.fromkeys("abcdef", 1), "source")
SYMBOLS = Vocabulary.identity(9)
VECTORS = Scaling((0.0, 0.0), (1.0, 1.0), (0.0, 0.0), (1.0, 1.0))
# Of each, some sequences end by themselves and some reach the limit of steps, where there is an end.
MODELS = {
    "plain": lambda: Exported.of(WORDS, WORDS, n_steps=6).favour(WORDS.end, 0.3),
    "gru": lambda: Exported.of(WORDS, WORDS, n_steps=6, cell="gru").favour(WORDS.end, 0.3),
    "attention": lambda: Exported.of(WORDS, WORDS, n_steps=6, attention="bahdanau").favour(WORDS.end, 0.5),
    "bidirectional": lambda: Exported.of(
        WORDS, WORDS, n_steps=6, attention="luong_general", input_feeding=True, bidirectional=True
    ).favour(WORDS.end, 0.5),
    "without an end": lambda: Exported.of(SYMBOLS, SYMBOLS, masked=False, n_steps=5),
    "vectors": lambda: Exported.of(VECTORS, VECTORS, n_steps=4, bidirectional=True, cell="gru"),
    "vectors with attention": lambda: Exported.of(VECTORS, VECTORS, n_steps=4, attention="luong_dot"),
    "quantiles": lambda: Exported.of(VECTORS, VECTORS, n_steps=4, quantiles=(0.1, 0.5, 0.75, 0.9)),
    "words to vectors": lambda: Exported.of(WORDS, VECTORS, n_steps=4),
    "vectors to words": lambda: Exported.of(VECTORS, WORDS, n_steps=6).favour(WORDS.end, 0.3),
}
OFTEN = ("plain", "bidirectional", "without an end", "vectors with attention", "quantiles")
EVERY = [pytest.param(name, marks=[] if name in OFTEN else pytest.mark.slow) for name in MODELS]
ONNX = """
import sys, numpy as np, onnxruntime
for folder in sys.argv[1:]:
    session = onnxruntime.InferenceSession(folder + "/decode.onnx")
    names = [output.name for output in session.get_outputs()]
    answers = {}
    for given, source in np.load(folder + "/sources.npz").items():
        for name, value in zip(names, session.run(names, {"source": source})):
            answers[given + "/" + name] = value
    np.savez(folder + "/onnx.npz", **answers)
"""
SAVED_MODEL = """
import sys, numpy as np, tensorflow as tf
for folder in sys.argv[1:]:
    loaded = tf.saved_model.load(folder + "/saved_model/1")
    answers = {}
    for given, source in np.load(folder + "/sources.npz").items():
        for name, value in loaded.signatures["serving_default"](source=tf.constant(source)).items():
            answers[given + "/" + name] = value.numpy()
    np.savez(folder + "/saved_model.npz", **answers)
"""


def drawn(codec, lengths):
    """Sources of some lengths."""
    rng, lengths = np.random.default_rng(0), np.array(lengths)
    if isinstance(codec, Scaling):
        return Sequences.of_lengths(rng.normal(size=(lengths.sum(), 2)), lengths)
    return Sequences.of_lengths(rng.integers(codec.reserved, codec.size, lengths.sum(), dtype=np.int32), lengths)


def inputs_of(model):
    """Sources by what is special about them, and how many steps of padding stand behind them."""
    codec = model.codecs.source
    if not model.architecture.masked:  # of one length
        return {"many": (drawn(codec, [5] * 20), 0), "one": (drawn(codec, [5]), 0), "none": (drawn(codec, [5]), 0)}
    found = {
        "many": (drawn(codec, [5, 1, 7, 3, 3, 2, 6] * 4), 0),
        "longer than training's": (drawn(codec, [12, 12, 40, 400]), 0),
        "one": (drawn(codec, [5]), 0),
        "one of one step": (drawn(codec, [1 - codec.has_end]), 0),
        "some of one step": (drawn(codec, [1 - codec.has_end] * 3), 0),
        "padded by a step": (drawn(codec, [5, 1, 4]), 1),
        "padded by many": (drawn(codec, [5, 1, 4]), 30),
        "none": (drawn(codec, [5]), 0),
    }
    if isinstance(codec, Vocabulary):
        unknown = np.full(4, codec.unknown, np.int32)
        found["unknown symbols"] = (Sequences.of_lengths(np.concatenate([unknown, unknown]), np.array([4, 3, 1])), 0)
    return found


def arrays_of(model):
    """The sources as a consumer gives them; of `none`, six steps of no source."""
    arrays = {}
    for name, (given, padding) in inputs_of(model).items():
        array = source_array(given, model.codecs.source)
        pads = [(0, 0), (0, padding), *[(0, 0)] * (array.ndim - 2)]
        arrays[name] = np.zeros((0, 6, *array.shape[2:]), array.dtype) if name == "none" else np.pad(array, pads)
    return arrays


def run_alone(code, *arguments):
    """Runs Python where our code cannot be imported."""
    command = [sys.executable, "-I", "-c", textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory, request):
    """Each model that is asked for, and what the consumers were answered, by the input: of an export and a model."""
    items = [item for item in request.session.items if item.path == request.path]
    names = {item.callspec.params["name"] for item in items if hasattr(item, "callspec")}
    models, folders = {name: make() for name, make in MODELS.items() if name in names}, {}
    for name, model in models.items():
        folders[name] = tmp_path_factory.mktemp("exports")
        save_decode(folders[name], model.saved_model, model.codecs)
        (folders[name] / ONNX_FILE).write_bytes(model.onnx.SerializeToString())
        np.savez(folders[name] / "sources.npz", **arrays_of(model))
    run_alone(ONNX, *folders.values())
    run_alone(SAVED_MODEL, *folders.values())
    return {
        (export, name): (model, dict(np.load(folders[name] / f"{export}.npz")))
        for export in ("onnx", "saved_model")
        for name, model in models.items()
    }


def answers_to(answers, given):
    """What was answered to an input, by output."""
    return {key.split("/")[1]: value for key, value in answers.items() if key.split("/")[0] == given}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("export", ["onnx", "saved_model"])
def test_an_export_answers_what_we_predict_whatever_it_is_given(made, export, name):
    model, answers = made[export, name]
    predictor = model.predictor
    for given, (sources, _) in inputs_of(model).items():
        if given != "none":
            agrees(model.codecs, answers_to(answers, given), sources, predictor)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("export", ["onnx", "saved_model"])
def test_an_empty_batch_gives_an_empty_answer(made, export, name):
    model, answers = made[export, name]
    found = answers_to(answers, "none")
    if isinstance(model.codecs.target, Scaling):
        names = output_names(model.architecture.quantiles)
        assert {key: value.shape for key, value in found.items()} == dict.fromkeys(names, (0, model.n_steps, 2))
    else:
        assert {key: value.shape for key, value in found.items()} == {
            "tokens": (0, model.n_steps),
            "log_probability": (0,),
        }


@pytest.mark.parametrize(
    "name",
    [one for one in EVERY if one.values[0] in ("plain", "gru", "attention", "bidirectional", "vectors to words")],
)
def test_among_what_was_compared_are_sequences_that_reach_the_limit_and_such_that_end(made, name):
    """Else the cases above would say little."""
    model, _ = made["onnx", name]
    predicted = [model.predictor.predict(sources) for sources, _ in inputs_of(model).values()]
    limits = np.concatenate([one.at_limit for one in predicted])
    assert 0 < limits.sum() < len(limits)
