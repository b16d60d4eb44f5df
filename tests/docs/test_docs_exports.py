"""The page about exports: its code decodes what our predictor does, and its names are those of the files."""

import json
import re

import pytest
from tasks.seq2seq.models.decoding import decode_graph

from tasks.predict import load_predictor
from tasks.seq2seq.export.onnx_decode import onnx_decode
from tasks.storage.artifacts.bundle import load_bundle
from tasks.storage.artifacts.export import SAVED_MODEL
from tasks.storage.store.artifact_store import Store
from tests.conftest import ROOT
from tests.helpers.batch_models import batch_models
from tests.tasks.seq2seq.models.test_kinds import KINDS, N_STEPS, SOURCE, START, models_of

PAGE = (ROOT / "docs" / "exports.md").read_text()
CODE = dict(re.findall(r"<!-- run: (\w+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))
SOURCES = [[1, 2, 3], [4, -1], [5, 99], [0, 0, 7, 2, 8, -3]]  # 99 was never seen


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    models = batch_models(tmp_path_factory)
    store = models.need("integers")
    return load_bundle(models.bundles["integers"], Store(store)), models.bundles["integers"].path, store


@pytest.mark.parametrize("name", ["keras", "saved_model", "onnx"])
def test_the_code_of_the_page_decodes_like_our_predictor(name, made, tmp_path):
    bundle, folder, store = made
    symbols = folder / SAVED_MODEL / "assets.extra" if name == "saved_model" else folder
    if name == "onnx":
        proto = onnx_decode(bundle.encoder, bundle.decoder, bundle.codecs, bundle.n_steps)
        (tmp_path / "decode.onnx").write_bytes(proto.SerializeToString())
        folder = tmp_path
    page = {}
    exec(compile(CODE["symbols"] + CODE[name], "exports.md", "exec"), page)  # noqa: S102 - our own page
    source = page["to_ids"](SOURCES, page["read_side"](symbols, "source"))
    tokens = page["decode"](str(folder), source, *([bundle.n_steps] if name == "keras" else []))
    # Our predictor cuts the token that stands where only an end may.
    said = page["to_symbols"](tokens[:, : bundle.n_steps - 1].tolist(), page["read_side"](symbols, "target"))
    expected = load_predictor("integers", store=store).predict(SOURCES)
    assert said == expected
    assert any(expected)


@pytest.mark.parametrize("kind", ["gru", "input feeding", "bahdanau"])
def test_the_code_for_keras_decodes_every_kind_of_model(kind, tmp_path):
    models = models_of(**KINDS[kind])
    models.encoder.save(tmp_path / "encoder.keras")
    models.decoder.save(tmp_path / "decoder.keras")
    (tmp_path / "codecs.json").write_text(json.dumps({"target": {"start": START}}))
    page = {}
    exec(compile(CODE["keras"], "exports.md", "exec"), page)  # noqa: S102 - our own page
    tokens = page["decode"](tmp_path, SOURCE.tolist(), N_STEPS)
    expected = decode_graph(models.encoder, models.decoder, START, N_STEPS, None)(SOURCE).tokens
    assert (tokens == expected.numpy()).all()
    names = [tensor.name for tensor in models.decoder.inputs]
    assert {re.sub(r"_\d$", "_1", name) for name in names} <= set(re.findall(r"`(\w+)`", PAGE))


def test_the_code_for_keras_is_short(made):
    assert len(CODE["keras"].split('"""')[2].strip().splitlines()) <= 20


def test_the_page_names_the_inputs_and_outputs_as_they_are(made):
    bundle, folder, _ = made
    for tensor in (*bundle.encoder.inputs, *bundle.decoder.inputs):
        assert f"`{tensor.name}`" in PAGE
    assert (folder / "saved_model" / "1" / "assets.extra" / "codecs.json").is_file()
