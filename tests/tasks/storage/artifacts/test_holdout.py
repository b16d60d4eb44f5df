"""The pairs that all models of a name are compared by, and what training leaves out for them."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tasks.generate import dataset_inputs, generate_dataset
from tasks.promote import fix_holdout
from tasks.seq2seq.errors import ArtifactError, SettingsError
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.dataset import read_codecs, read_evaluation, read_pairs, read_split
from tasks.storage.artifacts.holdout import fixed_holdout, is_comparable, read_holdout, read_sources
from tasks.storage.artifacts.lists import from_lists
from tasks.storage.files.inputs import InputFile
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.promotions import promote
from tests.helpers.codecs import as_vocabulary
from tests.helpers.stored import digest


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def pairs_file(path, sources):
    """Each source, and the same reversed."""
    pq.write_table(pa.table({"source": sources, "target": [source[::-1] for source in sources]}), path)
    return path


def random_sources(n, seed=0):
    return np.random.default_rng(seed).integers(0, 40, (n, 3)).tolist()


def experiment(train, **more):
    return check_experiment({"name": "reversal", "data": {"train": train, **more.pop("data", {})}, **more})


def make(settings, store):
    return generate_dataset.fn(settings, store.root)


def promote_first(settings, store):
    """As if a model trained on this dataset had been promoted; gives the dataset and its holdout."""
    dataset = make(settings, store)
    holdout = fix_holdout(settings, dataset, store)
    promote(store, settings.promotion_name, digest("m"), "the first", holdout=holdout.digest)
    return dataset, holdout


def values(dataset, split, side=0):
    """Source sequences of a split, as the user wrote them."""
    vocabulary = as_vocabulary(read_codecs(dataset.path).source)
    path = dataset.path / f"{split}.parquet"
    rows = from_lists(pq.read_table(path).column(side)) if path.exists() else []
    return {tuple(vocabulary.decode(rows[i])) for i in range(len(rows))}


def test_a_dataset_stays_the_same_when_its_own_held_out_pairs_become_the_holdout(tmp_path, store):
    settings = experiment(pairs_file(tmp_path / "a.parquet", random_sources(300)))
    before = dataset_inputs(settings, {}, store).key
    promote_first(settings, store)
    assert dataset_inputs(settings, {}, store).key == before


@pytest.mark.parametrize(
    "change",
    [{"seed": 5}, {"data": {"test_fraction": 0.02}}, {"data": {"test_fraction": 0.02, "validation_fraction": 0.5}}],
    ids=["another seed", "a smaller share", "other shares"],
)
def test_no_source_of_the_holdout_enters_training_or_validation_however_later_data_is_split(tmp_path, store, change):
    first = experiment(pairs_file(tmp_path / "a.parquet", random_sources(300)))
    dataset, _ = promote_first(first, store)
    held_out = values(dataset, "test")
    (tmp_path / "b.parquet").unlink(missing_ok=True)
    later = experiment(pairs_file(tmp_path / "b.parquet", random_sources(300) + random_sources(100, seed=1)), **change)
    after = make(later, store)
    assert not held_out & (values(after, "train") | values(after, "validation"))
    account = json.loads((after.path / "account.json").read_text())
    assert account["held_back"] == after.facts["held_back_rows"] > 0
    assert sum(account["read"].values()) == account["held_back"] + sum(account["splits"].values())
    assert len(held_out) > 10


def test_a_file_of_its_own_to_test_on_does_not_free_the_holdout_for_training(tmp_path, store):
    sources = random_sources(300)
    dataset, _ = promote_first(experiment(pairs_file(tmp_path / "a.parquet", sources)), store)
    test = pairs_file(tmp_path / "t.parquet", random_sources(50, seed=7))
    after = make(experiment(tmp_path / "a.parquet", data={"test": test, "validation_fraction": 0.3}), store)
    assert not values(dataset, "test") & values(after, "train")
    assert after.facts["held_back_rows"] > 0


def test_another_synthetic_seed_does_not_train_on_the_fresh_set_of_the_first(store):
    settings = {"name": "tiny", "data": {"problem": "copy", "n_in": 2, "cardinality": 9, "n_samples": 3000},
                "evaluation": {"n_samples": 30}}  # fmt: skip
    first = check_experiment(settings)
    dataset, holdout = promote_first(first, store)
    after = make(check_experiment({**settings, "seed": 1}), store)
    (fresh,) = read_evaluation(dataset.path)
    held_out = set(map(tuple, fresh.pairs.source.padded().tolist()))
    trained = {
        tuple(row) for block in read_pairs(after.path / "train.parquet") for row in block.source.padded().tolist()
    }
    assert len(held_out) == 30 == len(read_sources(holdout))
    assert not held_out & trained
    assert len(trained) > 20


def test_a_problem_whose_sources_are_all_held_out_is_refused_and_not_drawn_for_ever(store):
    settings = {"name": "tiny", "data": {"problem": "copy", "n_in": 1, "cardinality": 2, "n_samples": 50},
                "evaluation": {"n_samples": 1}}  # fmt: skip
    promote_first(check_experiment(settings), store)
    for seed in range(1, 20):
        try:
            make(check_experiment({**settings, "seed": seed}), store)
        except SettingsError as error:
            assert "sources of the problem 'copy' are held out" in str(error)  # noqa: PT017 - one of the seeds' fresh sets
            return
    pytest.fail("no seed drew the other half")


WAVE = {"source_encoding": "vectors", "target_encoding": "vectors", "history": 4, "horizon": 2, "source": "level"}


def wave_file(path, n):
    steps = np.arange(n)
    path.write_text("level\n" + "".join(f"{value:.6f}\n" for value in np.sin(steps * 0.7) * steps))
    return path


@pytest.mark.parametrize("more", [{}, {"relative_to_last": True}])
def test_no_time_step_of_a_series_holdout_enters_training_when_the_series_has_grown(tmp_path, store, more):
    """A window that overlaps one of the holdout would show its target."""
    settings = experiment(wave_file(tmp_path / "wave.csv", 200), data={**WAVE, **more})
    dataset, _ = promote_first(settings, store)
    rows = [row for block in read_evaluation(dataset.path) for row in block.beside["row"].to_pylist()]
    held_out = {step for row in rows for step in range(row - 4, row + 2)}  # rows count from 1: the row is the origin
    after = make(experiment(wave_file(tmp_path / "wave.csv", 400), data={**WAVE, **more}), store)
    account = json.loads((after.path / "account.json").read_text())
    assert account["held_back"] > 0
    assert account["read"] == account["windows"] + account["history_only"] + account["rejected"] == 400
    level = np.sin(np.arange(400) * 0.7) * np.arange(400)
    base = np.append(np.nan, level[:-1]) if more else 0
    free = {i for i in range(4, 400 - 1) if not set(range(i - 4, i + 2)) & held_out}
    for split in ("train", "validation"):
        targets = [first for pairs in read_split(after.path, split) for first in pairs.target.padded()[:, 0, 0]]
        origins = {int(np.nanargmin(np.abs(level - base - target))) for target in targets}
        assert len(origins) > 10
        assert origins <= free


def test_a_holdout_is_read_in_the_ids_of_whatever_model_it_is_held_against(tmp_path, store):
    dataset, holdout = promote_first(experiment(pairs_file(tmp_path / "a.parquet", random_sources(300))), store)
    other = make(experiment(pairs_file(tmp_path / "b.parquet", [[x + 7 for x in s] for s in random_sources(300)]),
                            name="other"), store)  # fmt: skip
    codecs = read_codecs(other.path)
    old, new = as_vocabulary(read_codecs(dataset.path).source), as_vocabulary(codecs.source)
    for before, after in zip(read_evaluation(dataset.path), read_holdout(holdout, codecs), strict=True):
        for i in range(len(before.pairs)):
            asked, got = old.decode(before.pairs.source[i]), new.decode(after.pairs.source[i])
            assert got == [symbol if symbol in new.symbols else None for symbol in asked]


def test_a_holdout_is_read_by_a_model_whose_sides_share_a_vocabulary(tmp_path, store):
    """And the other way round: it is the same pairs that both are compared by."""
    path = pairs_file(tmp_path / "a.parquet", random_sources(300))
    for seed, (first, second) in enumerate((({}, {"shared_vocabulary": True}), ({"shared_vocabulary": True}, {}))):
        name = f"name{seed}"
        before, holdout = promote_first(experiment(path, name=name, data=first, seed=seed), store)
        settings = experiment(path, name=name, data=second, seed=seed)
        assert is_comparable(holdout, settings)
        after = make(settings, store)
        codecs = read_codecs(after.path)
        for asked, got in zip(read_evaluation(before.path), read_holdout(holdout, codecs), strict=True):
            own = read_codecs(before.path)
            for side in ("source", "target"):
                old, new = getattr(own, side), getattr(codecs, side)
                pairs = zip(getattr(asked.pairs, side).padded(), getattr(got.pairs, side).padded(), strict=True)
                for row, other in pairs:
                    known = [symbol if symbol in new.symbols else None for symbol in old.decode(row)]
                    assert new.decode(other) == known


def test_a_holdout_is_for_experiments_of_the_same_problem(tmp_path, store):
    train = pairs_file(tmp_path / "a.parquet", random_sources(300))
    _, holdout = promote_first(experiment(train), store)
    assert is_comparable(holdout, experiment(train, seed=8, model={"units": 3}))
    assert not is_comparable(holdout, check_experiment({"name": "reversal"}))
    assert dataset_inputs(check_experiment({"name": "reversal"}), {}, store).made_from == {}


def test_a_holdout_that_was_altered_is_refused_with_what_to_do(tmp_path, store):
    settings = experiment(pairs_file(tmp_path / "a.parquet", random_sources(300)))
    _, holdout = promote_first(settings, store)
    (holdout.path / "codecs.json").write_text("{}")
    with pytest.raises(
        ArtifactError, match=r"the holdout .* .reversal. cannot be used: .*backup of the store, or give"
    ):
        fixed_holdout(store, "reversal")


def test_the_users_files_are_digested_twice_and_no_more_where_a_holdout_stands(tmp_path, store, monkeypatch):
    """Before they are read, and after; a large file takes its time each time."""
    promote_first(experiment(pairs_file(tmp_path / "a.parquet", random_sources(300))), store)
    digested, digest = [], InputFile.digest

    def noted(file):
        digested.append(file.name)
        return digest(file)

    monkeypatch.setattr(InputFile, "digest", noted)
    make(experiment(pairs_file(tmp_path / "b.parquet", random_sources(300, seed=1))), store)
    assert digested == ["b.parquet"] * 2
