"""The page about exports: its code decodes what our predictor does, and its names are those of the files."""

import json
import re

import numpy as np
import pytest

from tasks.predict import load_predictor
from tasks.seq2seq.decoding import decode_graph
from tasks.seq2seq.feeding import source_array, until_end
from tasks.seq2seq.onnx_decode import onnx_decode
from tasks.seq2seq.sequences import Sequences
from tasks.storage.bundles import load_bundle
from tasks.storage.store import Store
from tests.batch_models import batch_models
from tests.conftest import ROOT
from tests.seq2seq.test_architectures import KINDS, N_STEPS, SOURCE, START, models_of

PAGE = (ROOT / "docs" / "exports.md").read_text()
CODE = dict(re.findall(r"<!-- run: (\w+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))
SOURCES = [[1, 2, 3], [4, -1], [5], [0, 0, 7, 2, 8, -3]]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    models = batch_models(tmp_path_factory)
    store = models.need("integers")
    return load_bundle(models.bundles["integers"], Store(store)), models.bundles["integers"].path, store


@pytest.mark.parametrize("name", ["keras", "saved_model", "onnx"])
def test_the_code_of_the_page_decodes_like_our_predictor(name, made, tmp_path):
    bundle, folder, store = made
    if name == "onnx":
        proto = onnx_decode(bundle.encoder, bundle.decoder, bundle.codecs, bundle.n_steps)
        (tmp_path / "decode.onnx").write_bytes(proto.SerializeToString())
        folder = tmp_path
    symbols = bundle.codecs.source.symbols
    ids = [[bundle.codecs.source.reserved + symbols.index(value) for value in row] for row in SOURCES]
    source = source_array(
        Sequences.concatenate([Sequences.of_rows(np.array([row])) for row in ids]), bundle.codecs.source
    )
    page = {}
    exec(compile(CODE[name], "exports.md", "exec"), page)  # noqa: S102 - our own page
    arguments = [str(folder), source.tolist(), *([bundle.n_steps] if name == "keras" else [])]
    tokens = page["decode"](*arguments)
    said = until_end(tokens[:, : bundle.n_steps - 1], bundle.codecs.target)
    expected = load_predictor("integers", store=store).predict(SOURCES)
    assert [bundle.codecs.target.decode(said[i]) for i in range(4)] == expected
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
