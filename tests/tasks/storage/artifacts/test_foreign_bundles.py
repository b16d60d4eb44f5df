"""Bundles that somebody else made, to do harm: nothing outside of the store is touched, and nothing in it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.import_bundle import main
from tasks.seq2seq.errors import ArtifactError, SettingsError
from tasks.storage.artifacts.bundle_import import import_bundle
from tasks.storage.artifacts.registry import find_bundle
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.checking import check_artifact
from tasks.storage.store.manifest import DIGEST_PATTERN, MANIFEST, Manifest, canonical_digest
from tests.conftest import ROOT
from tests.helpers.small_bundles import make
from tests.helpers.small_models import write_models
from tests.helpers.stored import digest, listing

FOUND = {"sha256": digest(""), "bytes": 0}


@pytest.fixture
def store(tmp_path):
    """A store with a bundle in it, and beside it a folder that nobody may touch."""
    store = Store(tmp_path / "store")
    make(store, seed=1)
    for folder in (tmp_path / "precious", store.root / "precious"):
        folder.mkdir()
        (folder / "letters.txt").write_text("mine")
    return store


@pytest.fixture
def foreign(tmp_path):
    """A bundle from elsewhere, sound as it is."""
    return make(Store(tmp_path / "elsewhere"), seed=2, change=write_models).path


def reseal(folder, change):
    """Changes what a manifest says, with a checksum made anew."""
    path = folder / MANIFEST
    content = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({**content, "checksum": _checksum(content)}))


def _checksum(content):
    try:
        return canonical_digest({name: value for name, value in content.items() if name != "checksum"})
    except RecursionError:
        return ""


def read_or_why(folder):
    """The manifest in a folder, or what is said of it."""
    try:
        return Manifest.read(folder)
    except ArtifactError as error:
        return str(error)


def deep(n):
    """Lists in lists."""
    value = []
    for _ in range(n):
        value = [value]
    return value


NO_DIGESTS = {
    "absolute": "/precious/1",
    "above": "..",
    "above the kind": "../..",
    "beside the store": "../../precious",
    "beside the kind": "../precious",
    "the kind's folder": ".",
    "below": "a/b",
    "with a path in 64 characters": "../../precious".ljust(64, "/"),
    "home": "~",
    "hidden": ".making-1",
    "upper case": "D" * 64,
    "too short": "d" * 16,
    "too long": "d" * 65,
    "a line more": "d" * 64 + "\n",
    "empty": "",
    "with a NUL": "d" * 63 + "\0",
    "no text": 3,
    "nothing": None,
    "a list": ["d" * 64],
}
NO_KINDS = ("../precious", "..", "/precious/1", "bundle/..", "Bundle", "bundle\n", "", "b" * 32, 3)
NO_FILES = (
    "/precious/1", "../letters.txt", "..", ".", "", "a/../../b", "a//b", "a/", "./a", "a\\b", "a\0b", "a\nb", "a\x1b[2Jb",
    "x" * 256, "x/" * 600 + "x", "\ud800",
)  # fmt: skip
HOSTILE = {
    **{f"digest {name}": {"digest": value} for name, value in NO_DIGESTS.items()},
    **{f"key {name}": {"key": value} for name, value in NO_DIGESTS.items()},
    **{f"made from {name}": {"made_from": {"training": value}} for name, value in NO_DIGESTS.items()},
    **{f"digest of a file {name}": {"files": {"a": {"sha256": value, "bytes": 0}}} for name, value in NO_DIGESTS.items()},
    **{f"kind {value!r}": {"kind": value} for value in NO_KINDS},
    **{f"file {value[:20]!r}": {"files": {value: FOUND}} for value in NO_FILES},
    "another kind": {"kind": "dataset"},
    "a file that is not there": {"files": {"a": FOUND}},
    "no files": {"files": {}},
    "deep facts": {"facts": {"deep": deep(600)}},
    "facts that are no text": {"facts": {"\ud800": "\ud800"}},
    "a field more": {"added": "\n"},
}  # fmt: skip


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_manifest_is_refused_in_one_line_and_nothing_is_touched(store, foreign, tmp_path, capsys, change):
    reseal(foreign, change)
    before = listing(tmp_path)
    assert main([str(foreign), "--store", str(store.root)]) == 2
    said = capsys.readouterr()
    assert re.fullmatch(r"refused: .*\n", said.err)
    assert said.err[:-1].isprintable()
    assert not said.out
    with pytest.raises(ArtifactError):
        store.adopt(foreign, "bundle")
    assert listing(tmp_path) == before


def test_facts_that_are_of_no_bundle_are_refused_in_one_line_and_nothing_is_touched(store, foreign, tmp_path, capsys):
    reseal(foreign, {"facts": {"units": "many\nlines"}})
    before = listing(tmp_path)
    assert main([str(foreign), "--store", str(store.root)]) == 2
    assert re.fullmatch(r"refused: .* holds no bundle .*'units' is 'many\\nlines'.*\n", capsys.readouterr().err)
    assert listing(tmp_path) == before


@given(
    field=st.sampled_from(["digest", "key", "kind", "file", "made_from"]),
    value=st.text() | st.text("./~d\\\0\n", max_size=20) | st.from_regex(DIGEST_PATTERN.replace("$", "\n?$")),
)
def test_what_is_read_as_a_digest_a_kind_or_a_file_can_lead_nowhere_else(field, value):
    """Nothing but the manifest is touched here, so that no example can do harm."""
    content = {
        "kind": "bundle", "format_version": 1, "digest": digest("d"), "key": digest("k"), "files": {}, "made_from": {},
        "depends_on": {}, "experiment": {}, "versions": {}, "facts": {}, "made_at": "2026-01-02T03:04:05Z",
        "made_in_seconds": 0.5,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / MANIFEST).write_text(json.dumps(content))
        reseal(
            Path(name),
            {"file": {"files": {value: FOUND}}, "made_from": {"made_from": {"a": value}}}.get(field, {field: value}),
        )
        manifest = read_or_why(Path(name))
    if isinstance(manifest, str):
        assert "cannot be read" in manifest
        assert manifest.isprintable()
        return
    for one in (manifest.digest, manifest.key, *manifest.made_from.values()):
        assert len(one) == 64
        assert set(one) <= set("0123456789abcdef")
    assert Path(manifest.kind).name == manifest.kind
    for file in manifest.files:
        assert os.path.normpath(f"/artifact/{file}") == f"/artifact/{file}"


@pytest.fixture
def command():
    """The command as a user runs it; gives its exit code and what it said."""

    def command(*arguments):
        words = [sys.executable, "-m", "flows.import_bundle", *arguments]
        done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    return command


@pytest.mark.parametrize("name", ["beside the store", "above the kind"])
def test_the_command_refuses_a_digest_that_is_a_path_and_nothing_is_touched(store, foreign, tmp_path, command, name):
    reseal(foreign, {"digest": NO_DIGESTS[name]})
    before = listing(tmp_path)
    code, out, err = command(foreign, "--store", store.root)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"refused: {foreign}/{MANIFEST} cannot be read: 'digest' is {NO_DIGESTS[name]!r}")
    assert listing(tmp_path) == before


def test_the_command_refuses_a_digest_that_is_an_absolute_path_and_nothing_is_touched(store, foreign, command):
    """A short one: only so many characters of a digest were looked at once."""
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="") as precious:
        (Path(precious) / "letters.txt").write_text("mine")
        reseal(foreign, {"digest": precious})
        assert len(precious) <= 16
        code, _, err = command(foreign, "--store", store.root)
        assert (code, err.count("\n")) == (2, 1)
        assert (Path(precious) / "letters.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["bundle", "locks"])
def test_a_store_whose_folder_is_a_link_is_refused_and_nothing_is_touched(store, foreign, tmp_path, capsys, name):
    shutil.move(store.root / name, tmp_path / "outside")
    (store.root / name).symlink_to(tmp_path / "outside")
    before = listing(tmp_path)
    assert main([str(foreign), "--store", str(store.root)]) == 2
    assert re.fullmatch(rf"refused: {store.root / name} is a link; expected a folder.*\n", capsys.readouterr().err)
    assert listing(tmp_path) == before


def test_the_command_brings_a_sound_bundle_in_beside_hostile_records(store, foreign, tmp_path, command):
    """An index and promotions that lead elsewhere are none, and are not followed."""
    (index,) = (store.root / "keys").iterdir()
    index.write_text('{"digest": "../../precious"}')
    (store.root / "promotions").mkdir()
    (store.root / "promotions" / "g2p.json").write_text('{"promoted": "../../precious", "holdout": "/tmp"}')
    before = listing(tmp_path)
    code, out, err = command(foreign, "--store", store.root)
    assert (code, err) == (0, "")
    assert out == f"{store.root}/bundle/{foreign.name}\nuse it with: --model {foreign.name[:16]}\n"
    added = listing(tmp_path).items() - before.items()
    assert {path.relative_to(store.root).parts[0] for path, _ in added} == {"bundle"}
    for model in (None, "g2p"):
        with pytest.raises(ArtifactError, match=r"g2p\.json cannot be read as a record of promotions: 'promoted' is"):
            find_bundle(store, model)


def test_links_in_the_places_that_an_import_takes_are_replaced_and_not_followed(store, foreign, tmp_path):
    precious = tmp_path / "precious"
    for name in (foreign.name, f".making-{foreign.name}"):
        (store.root / "bundle" / name).symlink_to(precious)
    assert import_bundle(store, foreign).path == store.root / "bundle" / foreign.name
    assert not list((store.root / "bundle").glob(".*"))
    assert listing(precious) == {precious / "letters.txt": b"mine"}


def test_two_bundles_whose_digests_begin_alike_live_side_by_side(store, foreign):
    """By so many digits as people are shown, one of them would keep the other out for ever."""
    first = import_bundle(store, foreign)
    second = first.digest[:16] + digest("another")[16:]
    reseal(foreign, {"digest": second})
    assert import_bundle(store, foreign).digest == second
    assert store.open("bundle", first.digest) == first
    for whole in (first.digest, second):
        check_artifact(store.folder("bundle", whole))
        for digits in (20, 40, 64):
            assert find_bundle(store, whole[:digits]).bundle.digest == whole
    for digits in (6, 15, 16):
        with pytest.raises(SettingsError, match=f"begins the digests of 2 bundles: .*{second}.*; give more digits"):
            find_bundle(store, second[:digits])
