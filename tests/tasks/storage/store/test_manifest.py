import json
from datetime import UTC, datetime

import pytest

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.store.manifest import MANIFEST, FileEntry, Handle, Manifest, canonical_digest


@pytest.fixture
def manifest():
    return Manifest(
        kind="dataset",
        format_version=1,
        digest="d" * 64,
        key="e" * 64,
        files={"a.txt": FileEntry(sha256="a" * 64, bytes=3)},
        made_from={"train": "f" * 64},
        depends_on={"settings": {"seed": 0}},
        experiment={"seed": 0},
        versions={"numpy": "2.3"},
        facts={"rows": 3},
        made_at=datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        made_in_seconds=0.1,
    ).sealed()


def write(folder, manifest):
    (folder / MANIFEST).write_text(manifest.model_dump_json(indent=1))
    return folder / MANIFEST


def test_a_manifest_is_read_as_it_was_written(tmp_path, manifest):
    write(tmp_path, manifest)
    assert Manifest.read(tmp_path) == manifest


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "bundle"),
        ("digest", "e" * 64),
        ("key", "d" * 64),
        ("files", {}),
        ("made_from", {}),
        ("depends_on", {}),
        ("experiment", {"seed": 1}),
        ("versions", {"numpy": "2.4"}),
        ("facts", {"rows": 4}),
        ("made_at", "2026-01-02T03:04:06Z"),
        ("made_in_seconds", 0.2),
        ("checksum", ""),
    ],
)
def test_a_change_of_any_field_is_noticed(tmp_path, manifest, field, value):
    path = write(tmp_path, manifest)
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(ArtifactError, match="was altered: its checksum does not fit"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize(
    ("kind", "known"), [({}, 1), ({"kind": "dataset"}, 1), ({"kind": "bundle"}, 2), ({"kind": []}, 1)]
)
def test_a_newer_format_is_refused_with_both_versions(tmp_path, manifest, kind, known):
    """Even where nothing else of it can be understood; each kind has a format of its own."""
    path = write(tmp_path, manifest)
    path.write_text(json.dumps({"format_version": known + 1, "of_the_future": True, **kind}))
    with pytest.raises(ArtifactError, match=rf"format {known + 1}.*up to {known}; update"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize(("kind", "version"), [("dataset", 1), ("bundle", 1), ("bundle", 2)])
def test_a_format_that_is_known_or_older_is_read(tmp_path, manifest, kind, version):
    """What may be done with it, its readers say."""
    write(tmp_path, manifest.model_copy(update={"kind": kind, "format_version": version}).sealed())
    assert Manifest.read(tmp_path).format_version == version


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"{}", b'{"format_version": 1}', b"\xff\xfe"])
def test_a_manifest_that_is_none_cannot_be_read(tmp_path, content):
    (tmp_path / MANIFEST).write_bytes(content)
    with pytest.raises(ArtifactError, match="cannot be read"):
        Manifest.read(tmp_path)


def test_a_manifest_that_is_cut_short_cannot_be_read(tmp_path, manifest):
    path = write(tmp_path, manifest)
    path.write_text(path.read_text()[:-10])
    with pytest.raises(ArtifactError, match="cannot be read"):
        Manifest.read(tmp_path)


def test_an_unknown_field_is_refused(tmp_path, manifest):
    path = write(tmp_path, manifest)
    path.write_text(json.dumps({**json.loads(path.read_text()), "added": 1}))
    with pytest.raises(ArtifactError, match="cannot be read"):
        Manifest.read(tmp_path)


@pytest.mark.parametrize("folder", [".", "not_there"])
def test_a_folder_without_a_manifest_is_no_artifact(tmp_path, folder):
    with pytest.raises(ArtifactError, match=f"not an artifact: it has no {MANIFEST}"):
        Manifest.read(tmp_path / folder)


def test_a_digest_of_json_depends_on_its_content_and_not_on_the_order_of_keys():
    assert canonical_digest({"a": 1, "b": [1, 2]}) == canonical_digest({"b": [1, 2], "a": 1})
    assert canonical_digest({"a": 1, "b": [1, 2]}) != canonical_digest({"a": 1, "b": [2, 1]})


def test_a_handle_says_what_the_manifest_says_and_survives_json(tmp_path, manifest):
    handle = Handle.of(manifest, tmp_path)
    assert (handle.kind, handle.digest, handle.facts, handle.path) == (
        "dataset",
        "d" * 64,
        {"rows": 3},
        tmp_path,
    )
    assert handle.made_in_seconds == 0.1
    assert not handle.cached
    assert Handle.model_validate_json(handle.model_dump_json()) == handle
