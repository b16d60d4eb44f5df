"""Training that starts from pre-trained vectors: what the embeddings are, before and after, and what is said of it."""

import numpy as np
import pytest

from flows._cli.summary import show_vectors
from tasks.export import export_model
from tasks.generate import generate_dataset
from tasks.initial_weights import keep_vectors, start_embeddings
from tasks.reporting.model_page import _lineage, _sizes
from tasks.seq2seq.errors import DataError, SettingsError
from tasks.seq2seq.models.encoder_decoder import build_models
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.dataset import DatasetFacts, read_codecs
from tasks.storage.artifacts.keras_models import load_weights
from tasks.storage.artifacts.start import find_start
from tasks.storage.files.json_files import load_json
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Manifest
from tasks.storage.store.promotions import promote
from tasks.train import train_model
from tests.helpers.codecs import as_vocabulary
from tests.helpers.logs import listening

SOURCE = {"Ash": [5, 0, 0], "birch": [0, 5, 0], "cedar": [0, 0, 5], "oak": [1, 1, 1]}
TARGET = {"1": [1, 2, 3], "2": [4, 5, 6]}


def vectors(path, content):
    path.write_text("".join(f"{token} {' '.join(map(str, numbers))}\n" for token, numbers in content.items()))
    return path


def pairs(path, words):
    """Each word's place in the alphabet, as a number of its own; 400 rows of one to three words."""
    rng = np.random.default_rng(0)
    rows = [rng.choice(words, rng.integers(1, 4)).tolist() for _ in range(400)]
    lines = [f"{' '.join(row)},{' '.join(str(words.index(word) + 1) for word in row)}" for row in rows]
    path.write_text("source,target\n" + "\n".join(lines) + "\n")
    return path


class Trees:
    """An experiment on the names of trees, of which one has no vector, and the steps that it is made by."""

    def __init__(self, folder):
        self.folder, self.store, self.said = folder, folder / "store", []
        self.pairs = pairs(folder / "pairs.csv", ["ash", "birch", "cedar", "döner"])
        self.source, self.target = (
            vectors(folder / f"{side}.txt", content) for side, content in (("source", SOURCE), ("target", TARGET))
        )

    def experiment(self, train=None, training=None, **model):
        data = {"train": train or self.pairs, "source_encoding": "words", "source_lowercase": True}
        files = {"source_vectors": self.source, "target_vectors": self.target}
        return check_experiment(
            {
                "name": "trees",
                "data": data,
                "model": {"units": 8, "embedding": 3, **files, **model},
                "training": {"batch_size": 32, "learning_rate": 0.02, **(training or {})},
            }
        )

    def train(self, experiment):
        dataset, training = generate_dataset.fn(experiment, self.store), None
        dataset = getattr(dataset, "data", dataset)
        with listening() as said:
            training = train_model.fn(experiment, dataset, self.store)
        self.said += said
        return dataset, getattr(training, "data", training)

    def bundle(self, experiment):
        dataset, training = self.train(experiment)
        bundle = export_model.fn(experiment, dataset, training, self.store)
        return getattr(bundle, "data", bundle)

    def embeddings(self, experiment):
        """The trained embeddings of each symbol, by side; special ones by their ids."""
        dataset, training = self.train(experiment)
        model = build_models(DatasetFacts.model_validate(dataset.facts).architecture(experiment.model)).train
        load_weights(model, training.path)
        tables = {}
        for side in ("source", "target"):
            vocabulary = getattr(read_codecs(dataset.path), side)
            (table,) = model.get_layer(f"{side}_features").get_weights()
            names = [*range(vocabulary.reserved), *map(str, vocabulary.symbols)]
            tables[side] = dict(zip(names, table.tolist(), strict=True))
        return tables


@pytest.fixture(scope="module")
def trees(tmp_path_factory):
    return Trees(tmp_path_factory.mktemp("trees"))


@pytest.fixture(scope="module")
def frozen(trees):
    return trees.embeddings(trees.experiment(train_vectors=False))


def test_frozen_embeddings_are_the_files_vectors_after_training(frozen):
    found = {word: frozen["source"][word] for word in ("ash", "birch", "cedar")}
    assert found == {"ash": SOURCE["Ash"], "birch": SOURCE["birch"], "cedar": SOURCE["cedar"]}
    assert {token: frozen["target"][token] for token in TARGET} == TARGET


def test_symbols_without_a_vector_and_special_ones_are_drawn_differently_on_each_side(frozen):
    drawn = [frozen["source"]["döner"], frozen["target"]["3"], *(frozen[side][i] for side in frozen for i in range(4))]
    assert len({tuple(vector) for vector in drawn}) == len(drawn)
    assert np.abs(drawn).min() > 0


def test_tuned_embeddings_start_from_the_vectors_and_move(trees):
    """In an epoch of small steps they move a little; those that start at random would be anywhere."""
    tuned = trees.embeddings(trees.experiment(training={"learning_rate": 0.001}))
    moved = np.array([tuned["source"][word] for word in ("birch", "cedar")]) - [SOURCE["birch"], SOURCE["cedar"]]
    assert 0 < np.abs(moved).max() < 0.1


def test_coverage_is_in_the_facts_the_log_the_report_and_what_is_printed(trees, frozen, capsys):
    dataset, training = trees.train(trees.experiment(train_vectors=False))
    counts = load_json(dataset.path / "profile.json")["source"]["id_counts"]
    expected = {"file": "source.txt", "symbols": 4, "found": 3, "share_of_symbols": 0.75, "repeated": 0}
    expected["share_of_tokens"] = pytest.approx(sum(counts[4:7]) / sum(counts))
    assert training.facts["vectors"]["source"] == expected
    said = "source.txt has vectors for 3 of 4 symbols (75.0 %), "
    assert any(line.startswith(f"model.source_vectors: {said}") for line in trees.said)
    inputs = {"dataset": dataset, "training": training, "bundle": training}
    sizes = _sizes(inputs, load_json(training.path / "history.json"))
    assert sizes["pre-trained source vectors"].startswith(said)
    assert _lineage(inputs)["made from source_vectors"] == Manifest.read(training.path).made_from["source_vectors"]
    show_vectors({"vectors": training.facts["vectors"]})
    assert capsys.readouterr().out.startswith(f"source vectors: {said}")


def test_a_file_without_a_vector_for_any_symbol_ends_the_run(trees):
    other = vectors(trees.folder / "other.txt", {"x": [1, 2, 3]})
    with pytest.raises(DataError, match=r"model.source_vectors: other.txt has a vector for none of the 4 symbols"):
        trees.train(trees.experiment(source_vectors=other))


def test_a_training_is_found_again_though_the_file_was_moved(trees, frozen):
    moved = vectors(trees.folder / "moved.txt", SOURCE)
    assert trees.train(trees.experiment(train_vectors=False, source_vectors=moved))[1].cached


@pytest.mark.parametrize(
    "tuned",
    [
        pytest.param(True, id="tuned", marks=pytest.mark.slow),
        pytest.param(False, id="frozen", marks=pytest.mark.exhaustive),
    ],
)
def test_going_on_from_a_promoted_model_known_symbols_keep_their_weights_and_new_ones_take_the_files(tmp_path, tuned):
    trees = Trees(tmp_path)
    bundle = trees.bundle(trees.experiment(train_vectors=tuned))
    before = trees.embeddings(trees.experiment(train_vectors=tuned))
    promote(Store(trees.store), "trees", bundle.digest, "a test")
    other = vectors(tmp_path / "other.txt", {**SOURCE, "birch": [7, 7, 7], "oak": [6, 6, 6]})
    more = pairs(tmp_path / "more.csv", ["ash", "birch", "cedar", "döner", "oak"])
    settings = {"train": more, "source_vectors": other, "train_vectors": tuned}
    after = trees.embeddings(trees.experiment(**settings, training={"start": "promoted", "learning_rate": 1e-6}))
    np.testing.assert_allclose(after["source"]["oak"], [6, 6, 6], atol=1e-3)
    for symbol in ("birch", "döner", 1, 2, 3):
        np.testing.assert_allclose(after["source"][symbol], before["source"][symbol], atol=0 if not tuned else 1e-3)
    with pytest.raises(SettingsError, match=r"model.source_vectors is None, of the promoted model '.*source.txt'"):
        find_start(trees.experiment(training={"start": "promoted"}, source_vectors=None), "", Store(trees.store))


def test_one_table_for_both_sides_takes_one_file_and_covers_the_tokens_of_both(tmp_path):
    rng = np.random.default_rng(0)
    words = ["ash", "birch", "elm"]
    rows = [[" ".join(rng.choice(words, rng.integers(1, 6))) for _ in range(2)] for _ in range(200)]
    (tmp_path / "pairs.csv").write_text("source,target\n" + "".join(f"{source},{target}\n" for source, target in rows))
    data = {"train": tmp_path / "pairs.csv", "source_encoding": "words", "target_encoding": "words"}
    source = vectors(tmp_path / "source.txt", {"ash": [1, 2, 3], "elm": [4, 5, 6]})
    experiment = check_experiment(
        {
            "data": {**data, "shared_vocabulary": True},
            "model": {
                "units": 4,
                "embedding": 3,
                "share_embeddings": True,
                "source_vectors": source,
                "train_vectors": False,
            },
        }
    )
    dataset = generate_dataset.fn(experiment, tmp_path / "store")
    model = build_models(DatasetFacts.model_validate(dataset.facts).architecture(experiment.model)).train
    codecs = read_codecs(dataset.path)
    found = start_embeddings(model, experiment, dataset.path, codecs)["source"]
    keep_vectors(model, experiment.model)
    table = model.get_layer("shared_features")
    target = as_vocabulary(codecs.target)
    at = [target.reserved + target.symbols.index(word) for word in ("ash", "elm")]
    assert table.get_weights()[0][at].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert table.trainable_weights == []
    counts = np.sum(
        [load_json(dataset.path / "profile.json")[side]["id_counts"] for side in ("source", "target")], axis=0
    )
    assert found.share_of_tokens == pytest.approx(counts[at].sum() / counts.sum())
    assert found.found == 2
