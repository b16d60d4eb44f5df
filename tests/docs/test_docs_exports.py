"""The page about exports: its code decodes what our predictor does, and its names are those of the files."""

import re

import numpy as np
import pytest

from tasks.predict import load_predictor
from tasks.seq2seq.arrays.sequences import Sequences
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.export.onnx_decode import onnx_decode
from tasks.seq2seq.export.saved_model import DecodeModule
from tasks.storage.artifacts.bundle import load_bundle, load_graphs
from tasks.storage.artifacts.dataset import write_codecs
from tasks.storage.artifacts.export import ONNX_FILE, SAVED_MODEL, save_decode
from tasks.storage.artifacts.keras_models import load_keras_models
from tasks.storage.files.json_files import write_json
from tasks.storage.store.artifact_store import Store
from tests.conftest import ROOT
from tests.helpers.batch_models import batch_models
from tests.helpers.exported import Exported
from tests.tasks.seq2seq.models.test_kinds import KINDS

PAGE = (ROOT / "docs" / "exports.md").read_text()
CODE = dict(re.findall(r"<!-- run: (\w+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))
# 99 and 77 were never seen; the longest are longer than any of training, which reach the limit of steps.
SOURCES = [[1, 2, 3], [4, -1], [5, 99], [0, 0, 7, 2, 8, -3], [99, 77], [3] * 8, [1, 2] * 4, [7]]
WORDS = Vocabulary.learn("words", dict.fromkeys("abcdef", 1), "source")


def run(*names):
    """What the code of the page defines."""
    page = {}
    exec(compile("".join(CODE[name] for name in names), "exports.md", "exec"), page)  # noqa: S102 - our own page
    return page


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A bundle, and a folder with both exports."""
    models = batch_models(tmp_path_factory)
    store, folder = models.need("integers"), tmp_path_factory.mktemp("exports")
    handle = models.bundles["integers"]
    bundle = load_bundle(handle, Store(store))
    decode = onnx_decode(bundle.engine.architecture, *load_graphs(handle.path), bundle.codecs, bundle.n_steps)
    (folder / ONNX_FILE).write_bytes(decode.SerializeToString())
    write_codecs(folder, bundle.codecs)
    save_decode(
        folder, DecodeModule(*load_keras_models(handle, Store(store)), bundle.codecs, bundle.n_steps), bundle.codecs
    )
    return bundle, handle.path, folder, store


@pytest.mark.parametrize("name", ["graphs", "keras", "onnx", "saved_model"])
def test_the_code_of_the_page_decodes_like_our_predictor(name, made):
    """Also what is unknown, what is a single step, and what is cut at the limit."""
    bundle, path, exports, store = made
    folder = path if name in ("graphs", "keras") else exports
    symbols = folder / SAVED_MODEL / "assets.extra" if name == "saved_model" else folder
    page = run("symbols", name)
    predictor = load_predictor("integers", store=store)
    for sources in (SOURCES, SOURCES[-1:], SOURCES[4:5]):
        source = page["to_ids"](sources, page["read_side"](symbols, "source"))
        steps = [bundle.n_steps] if name in ("graphs", "keras") else []
        tokens = page["decode"](str(folder), source, *steps)
        # The last step can only be an end.
        said = page["to_symbols"](tokens[:, : bundle.n_steps - 1].tolist(), page["read_side"](symbols, "target"))
        assert said == predictor.predict(sources)


@pytest.mark.parametrize("name", ["graphs", "keras", "onnx", "saved_model"])
def test_what_stands_for_no_symbol_is_none_and_not_the_last_symbol(name, made):
    _, path, exports, _ = made
    symbols = exports / SAVED_MODEL / "assets.extra" if name == "saved_model" else path
    page = run("symbols")
    side = page["read_side"](symbols, "target")
    assert (side["start"], side["end"], side["unknown"], side["padding"], side["reserved"]) == (1, 2, 3, 0, 4)
    assert page["to_symbols"]([[3, 4, 0, 1, 2, 5]], side) == [[None, -3, None, None]]


def test_predicted_ids_that_are_no_symbols_are_read_as_our_predictor_reads_them(tmp_path):
    """A model that says `unknown` again and again."""
    model = Exported.of(WORDS, WORDS, n_steps=4).favour(WORDS.unknown, 100)
    predicted = model.predictor.predict(Sequences.of_rows(np.array([[4, 5]], np.int32))).sequences
    assert predicted.values.tolist() == [WORDS.unknown] * 3
    (tmp_path / ONNX_FILE).write_bytes(model.onnx.SerializeToString())
    write_codecs(tmp_path, model.codecs)
    page = run("symbols", "onnx")
    tokens = page["decode"](tmp_path, page["to_ids"]([["a", "b"]], page["read_side"](tmp_path, "source")))
    assert page["to_symbols"](tokens.tolist(), page["read_side"](tmp_path, "target")) == [[None] * 3]


@pytest.mark.parametrize("name", ["onnx", "saved_model"])
def test_a_batch_of_none_gives_an_empty_answer(name, made):
    bundle, _, exports, _ = made
    assert run(name)["decode"](str(exports), np.zeros((0, 6), np.int32)).shape == (0, bundle.n_steps)


@pytest.mark.parametrize("name", ["graphs", "keras"])
@pytest.mark.parametrize("kind", ["gru", "input feeding", "bahdanau"])
def test_the_code_for_models_decodes_every_kind_of_model(kind, name, tmp_path):
    model = Exported.of(WORDS, WORDS, n_steps=5, **KINDS[kind])
    model.models.encoder.save(tmp_path / "encoder.keras")
    model.models.decoder.save(tmp_path / "decoder.keras")
    for file, graph in zip(("encoder.onnx", "step.onnx"), model.graphs, strict=True):
        (tmp_path / file).write_bytes(graph.SerializeToString())
    write_codecs(tmp_path, model.codecs)
    write_json(tmp_path / "bundle.json", {"masked": True})
    page = run("symbols", name)
    source, target = (page["read_side"](tmp_path, side) for side in ("source", "target"))
    for rows in (["abc", "d"], [""]):
        said = page["to_symbols"](page["decode"](tmp_path, page["to_ids"](rows, source), 5)[:, :4].tolist(), target)
        ids = np.array([source["symbols"].index(symbol) + 4 for row in rows for symbol in row], np.int32)
        found = model.predictor.predict(Sequences.of_lengths(ids, np.array([*map(len, rows)]))).sequences
        assert said == page["to_symbols"]([found[i].tolist() for i in range(len(rows))], target)
    for tensor in (*model.models.encoder.inputs, *model.models.decoder.inputs):
        assert re.sub(r"_\d$", "_1", tensor.name) in re.findall(r"`(\w+)`", PAGE)
    for graph in model.graphs:
        for value in (*graph.graph.input, *graph.graph.output):
            assert re.sub(r"_\d$", "_1", value.name.removeprefix("next_")) in re.findall(r"`(\w+)`", PAGE)


@pytest.mark.parametrize("name", ["graphs", "keras"])
def test_the_code_for_models_is_short(name):
    assert len(CODE[name].split('"""')[2].strip().splitlines()) <= 20


def test_the_page_names_the_files_as_they_are(made):
    _, path, exports, _ = made
    for name in ("encoder.onnx", "step.onnx", "encoder.keras", "decoder.keras", "codecs.json"):
        assert (path / name).is_file()
        assert f"`{name}`" in PAGE
    assert (exports / "saved_model" / "1" / "assets.extra" / "codecs.json").is_file()
