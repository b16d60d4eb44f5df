"""Bundles with harm in their files, which their manifests vouch for: refused in a line, and nothing is executed."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from flows.import_bundle import main
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import ArtifactError
from tasks.storage.artifacts.bundle import read_known
from tasks.storage.artifacts.bundle_import import import_bundle
from tasks.storage.artifacts.keras_archives import check_keras_models
from tasks.storage.artifacts.keras_models import load_keras_models
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import Handle, Manifest
from tests.conftest import ROOT
from tests.helpers.exported import Exported
from tests.helpers.hostile_bundles import CHANGES, outside_of
from tests.helpers.kinds import drawn_kinds
from tests.helpers.model_bundles import former, make_bundle, record
from tests.helpers.stored import listing

SYMBOLS = Vocabulary.identity(9)
WORDS = Vocabulary.learn("words", dict.fromkeys("abcdef", 1), "source")
OLDER = [name for name in CHANGES if "graph" not in name and "operator" not in name]  # those had none
IN_KERAS = [name for name in OLDER if name.startswith(("a Lambda", "a TFSM", "a layer", "a function", "a member"))]


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A bundle of a model, as it was made elsewhere."""
    model = Exported.of(SYMBOLS, SYMBOLS, masked=False, n_steps=3)
    return make_bundle(Store(tmp_path_factory.mktemp("sound")), model).path


@pytest.fixture
def store(tmp_path):
    """A store that was used before."""
    store = Store(tmp_path / "store")
    store.prepare()
    return store


def changed(sound, tmp_path, name):
    """The bundle with one of the changes, and digests made anew."""
    folder = shutil.copytree(sound, tmp_path / "bundle", dirs_exist_ok=True)
    CHANGES[name][0](folder, outside_of(tmp_path))
    record(folder)
    return folder


def written(root):
    """All that lies below a folder, without the locks of a store, which stay, and what holds them."""
    return {path: held for path, held in listing(root).items() if "locks" not in path.parts and path.name != "bundle"}


def refused(folder, store, name, tmp_path, capfd):
    """The command refuses it in one line that says why; nothing is executed, told or written."""
    written_before = written(tmp_path)
    assert main([str(folder), "--store", str(store.root)]) == 2
    said = capfd.readouterr()
    line = said.err.splitlines()[-1]  # TensorFlow has notes of its own while it loads
    assert line.startswith("refused: ")
    assert line.isprintable()
    assert re.search(CHANGES[name][1], line), line
    assert "Traceback" not in said.err
    assert "secret of mine" not in said.err + said.out
    assert written(tmp_path) == written_before


@pytest.mark.parametrize("name", CHANGES)
def test_a_hostile_bundle_is_not_brought_in(sound, store, tmp_path, capfd, name):
    refused(changed(sound, tmp_path, name), store, name, tmp_path, capfd)


@pytest.mark.parametrize("name", OLDER)
def test_nor_is_one_of_format_1(sound, store, tmp_path, capfd, name):
    handle = Handle.of(Manifest.read(sound), sound)
    shutil.copytree(former(handle, tmp_path / "former"), tmp_path / "bundle")
    shutil.rmtree(tmp_path / "former")
    folder = tmp_path / "bundle"
    CHANGES[name][0](folder, outside_of(tmp_path))
    record(folder)
    refused(folder, store, name, tmp_path, capfd)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_the_command_refuses_it_in_a_process_of_its_own(sound, store, tmp_path, name):
    folder = changed(sound, tmp_path, name)
    before = written(tmp_path)
    words = [sys.executable, "-m", "flows.import_bundle", str(folder), "--store", str(store.root)]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "outside")}  # so that its module could be imported
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert [line for line in done.stderr.splitlines() if line.startswith("refused: ")] == [done.stderr.splitlines()[-1]]
    assert "Traceback" not in done.stderr
    assert written(tmp_path) == before


@pytest.mark.parametrize("name", IN_KERAS)
def test_nor_does_training_start_from_one_that_is_in_the_store(sound, store, tmp_path, name):
    folder = changed(sound, tmp_path, name)
    manifest = Manifest.read(folder)
    place = store.folder("bundle", manifest.digest)
    shutil.copytree(folder, place)
    with pytest.raises(ArtifactError, match=CHANGES[name][1]):
        load_keras_models(Handle.of(manifest, place), store)
    assert not (tmp_path / "outside" / "canary").exists()


def test_a_sound_bundle_is_brought_in_and_files_that_have_two_names_are_copied(sound, store, tmp_path):
    """What all cases begin with. A link of the other kind is a file as any: its content is taken, not the file."""
    folder = shutil.copytree(sound, tmp_path / "bundle")
    (tmp_path / "another-name").hardlink_to(folder / "encoder.onnx")
    bundle = import_bundle(store, folder)
    assert (tmp_path / "another-name").stat().st_nlink == 2
    assert (bundle.path / "encoder.onnx").stat().st_nlink == 1


@pytest.mark.seconds
@pytest.mark.parametrize("codec", [SYMBOLS, WORDS], ids=["symbols", "words"])
def test_all_kinds_of_models_that_this_project_writes_are_known(tmp_path, codec):
    for number, kind in zip(range(12), drawn_kinds(), strict=False):
        masked = codec is WORDS
        model = Exported.of(codec, codec, masked=masked, n_steps=4, **kind)
        check = make_bundle(Store(tmp_path / str(number)), model)
        check_keras_models(check.path, read_known(check))
