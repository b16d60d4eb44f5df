"""Bundles of which Keras' models only look like such: all that a store and the commands for it look at, made in a moment."""

import zipfile

import numpy as np

from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.inference.graphs.encoder import encoder_graph
from tasks.seq2seq.inference.graphs.step import step_graph
from tasks.seq2seq.inference.graphs.weights import DenseWeights, LayerWeights, ModelWeights, RecurrentWeights
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.model import ModelSettings
from tasks.storage.artifacts.bundle import GRAPHS, KERAS_MODELS, BundleFacts
from tasks.storage.artifacts.dataset import SideFacts, write_codecs
from tasks.storage.files.json_files import write_json
from tasks.storage.store.making import Made, StepInputs

SIDE = SideFacts(encoding="integers", vocabulary=7, length=3)
FACTS = BundleFacts(units=8, parameters=1, source=SIDE, target=SIDE, masked=False, relative=False)
VOCABULARY = Vocabulary.identity(6)
PROFILE = {
    "rows": 1,
    **{side: {"lengths": {"3": 1}, "id_counts": [0, 3, 0, 0, 0, 0, 0]} for side in ("source", "target")},
}
SETTINGS = ModelSettings(units=2, embedding=2)


def graphs():
    """The two graphs of a model that has learned nothing: all its weights are 0."""
    architecture = FACTS.architecture(SETTINGS)
    table, units = np.zeros((SIDE.vocabulary, SETTINGS.embedding), np.float32), SETTINGS.units
    kernel, recurrent = (np.zeros((rows, 4 * units), np.float32) for rows in (SETTINGS.embedding, units))
    layer = LayerWeights((RecurrentWeights(kernel, recurrent, np.zeros(4 * units, np.float32)),))
    output = DenseWeights(np.zeros((units, SIDE.vocabulary), np.float32), np.zeros(SIDE.vocabulary, np.float32))
    weights = ModelWeights(table, table, (layer,), (layer,), (), None, {}, output)
    return encoder_graph(architecture, weights), step_graph(architecture, weights)


def write_keras_likeness(path):
    """An archive with the members of a Keras model, which Keras would not load: the same bytes at any time."""
    members = {"metadata.json": b"{}", "config.json": b"{}", "model.weights.h5": b"\x89HDF\r\n\x1a\n".ljust(4096)}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)


def make(store, kind="bundle", seed=1, made_from=None, experiment=None, change=lambda _folder: None):
    """An artifact with the files of a bundle; another seed makes another one.

    `change` alters its files before they are recorded.
    """
    known = Experiment(seed=seed, model=SETTINGS).model_dump(mode="json")

    def write(folder):
        write_json(folder / "bundle.json", {"experiment": experiment or known})
        write_codecs(folder, Codecs(VOCABULARY, VOCABULARY))
        for name, graph in zip(GRAPHS, graphs(), strict=True):
            (folder / name).write_bytes(graph.SerializeToString())
        for name in KERAS_MODELS:
            write_keras_likeness(folder / name)
        write_json(folder / "profile.json", PROFILE)
        change(folder)
        return Made(FACTS.model_dump() | {"units": 8 + seed})

    return store.make(StepInputs(kind, {"seed": seed}, made_from or {}, {}, {}), write)
