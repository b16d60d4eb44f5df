import dataclasses
import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from tasks.seq2seq.errors import ArtifactError, DataError
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.checking import check_artifact
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.manifest import MANIFEST, Handle, Manifest
from tests.helpers.stored import listing

INPUTS = StepInputs(
    kind="dataset",
    depends_on={"settings": {"seed": 0}},
    made_from={"train": "f" * 64},
    experiment={"seed": 0},
    versions={"numpy": "2.3"},
)
OTHER = dataclasses.replace(INPUTS, depends_on={"settings": {"seed": 1}})

# The same inputs, for processes of their own.
IN_A_PROCESS = """
import os, pathlib, resource, sys, time
from tasks.seq2seq.errors import ArtifactError
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.making import Made, StepInputs
store = Store(pathlib.Path(sys.argv[1]))
inputs = StepInputs("dataset", {"settings": {"seed": 1}}, {"train": "f" * 64}, {"seed": 0}, {"numpy": "2.3"})
"""


def writes(content="content", facts=None, alike=None, figures=None):
    def write(folder):
        (folder / "a.txt").write_text(content)
        (folder / "below").mkdir()
        (folder / "below" / "b.txt").write_text("below")
        return Made(facts or {"rows": 3}, alike or {}, figures or {})

    return write


def make(store, inputs=INPUTS, write=None):
    with store.lock(inputs):
        return store.make(inputs, write or writes())


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def visible(folder):
    """What counts as an artifact of a kind."""
    return [name for name in names(folder) if (folder / name / MANIFEST).exists()]


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def test_an_artifact_is_found_as_it_was_made(store):
    made = make(store)
    found = store.find(INPUTS)
    assert found == made
    assert (found.path / "a.txt").read_text() == "content"
    assert store.peek(INPUTS) == made.digest
    assert store.open("dataset", made.digest) == made


def test_a_manifest_records_what_an_artifact_is_made_of(store):
    manifest = Manifest.read(make(store).path)
    assert set(manifest.files) == {"a.txt", "below/b.txt"}
    assert manifest.files["a.txt"].bytes == 7
    assert (manifest.depends_on, manifest.made_from) == (INPUTS.depends_on, INPUTS.made_from)
    assert (manifest.experiment, manifest.versions, manifest.key) == (
        INPUTS.experiment,
        INPUTS.versions,
        INPUTS.key,
    )
    assert manifest.made_in_seconds >= 0


def test_facts_are_the_same_when_made_and_when_found(store):
    """Tuples have become lists already."""
    made = make(store, write=writes(facts={"interval": (0.1, 0.2)}))
    assert made.facts == store.find(INPUTS).facts == {"interval": [0.1, 0.2]}


def test_what_was_not_made_is_not_found(store):
    make(store)
    assert store.find(OTHER) == "not made yet"
    assert store.peek(OTHER) is None


@pytest.mark.parametrize(
    "change",
    [{"kind": "bundle"}, {"depends_on": {"settings": {}}}, {"made_from": {}}, {"versions": {"numpy": "2.4"}}],
)
def test_a_key_covers_all_that_the_result_depends_on(change):
    assert dataclasses.replace(INPUTS, **change).key != INPUTS.key


def test_a_key_does_not_cover_the_record_of_the_experiment():
    assert dataclasses.replace(INPUTS, experiment={"name": "other"}).key == INPUTS.key


def damage_altered(folder):
    (folder / "a.txt").write_text("CONTENT")


def damage_cut(folder):
    os.truncate(folder / "a.txt", 3)


def damage_missing(folder):
    (folder / "below" / "b.txt").unlink()


def damage_replaced_by_a_folder(folder):
    (folder / "a.txt").unlink()
    (folder / "a.txt").mkdir()


def damage_manifest_altered(folder):
    text = (folder / MANIFEST).read_text()
    (folder / MANIFEST).write_text(text.replace('"rows": 3', '"rows": 4'))


def damage_manifest_missing(folder):
    (folder / MANIFEST).unlink()


def damage_newer_format(folder):
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps({**content, "format_version": content["format_version"] + 1}))


def damage_link_out(folder):
    """The same bytes, but from elsewhere."""
    outside = folder.parent / "outside.txt"
    shutil.move(folder / "a.txt", outside)
    (folder / "a.txt").symlink_to(outside)


def damage_folder_link_out(folder):
    outside = folder.parent.parent / "outside"
    shutil.move(folder / "below", outside)
    (folder / "below").symlink_to(outside)


def damage_link_in_a_circle(folder):
    (folder / "a.txt").unlink()
    (folder / "a.txt").symlink_to(folder / "a.txt")


def damage_all_missing(folder):
    shutil.rmtree(folder)


DAMAGES = {
    damage_altered: "a.txt was altered",
    damage_cut: "a.txt has 3 bytes, expected 7",
    damage_missing: "below/b.txt is missing",
    damage_replaced_by_a_folder: "a.txt is missing",
    damage_manifest_altered: "manifest.json was altered",
    damage_manifest_missing: "is not an artifact: it has no manifest.json",
    damage_newer_format: "is of format 2, this version of the project reads up to 1",
    damage_link_out: "a.txt leads out of its artifact",
    damage_folder_link_out: "b.txt leads out of its artifact",
    damage_link_in_a_circle: "a.txt is missing",
    damage_all_missing: "is not an artifact",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_artifact_is_not_found_and_the_reason_is_told(store, damage):
    handle = make(store)
    damage(handle.path)
    assert DAMAGES[damage] in store.find(INPUTS)
    with pytest.raises(ArtifactError, match=DAMAGES[damage]):
        store.open("dataset", handle.digest)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_a_damaged_artifact_is_made_again_in_its_place(store, damage):
    handle = make(store)
    damage(handle.path)
    again = make(store)
    assert (again.path, again.digest) == (handle.path, handle.digest)
    assert store.find(INPUTS) == again
    assert (again.path / "below" / "b.txt").read_text() == "below"


def test_a_file_that_was_added_is_noticed(store):
    """Readers tell a dataset's parts by which files are there: one more changes what they read."""
    handle = make(store)
    (handle.path / "evaluation.npz").write_text("from elsewhere")
    assert isinstance(store.find(INPUTS), str)


def test_a_manifest_that_names_a_file_outside_is_refused(store):
    handle = make(store)
    manifest = Manifest.read(handle.path)
    (handle.path.parent / "outside.txt").write_text("content")
    files = {**manifest.files, "../outside.txt": manifest.files["a.txt"]}
    forged = manifest.model_copy(update={"files": files}).sealed()
    (handle.path / MANIFEST).write_text(forged.model_dump_json())
    with pytest.raises(ArtifactError, match=r"'files' is '\.\./outside\.txt': expected a relative path"):
        check_artifact(handle.path)


def test_an_artifact_in_anothers_place_is_refused_and_does_not_block_it(store):
    """Its files are sound, but they are not what the digest promises."""
    handle, other = make(store), make(store, OTHER, writes("other"))
    shutil.rmtree(handle.path)
    shutil.copytree(other.path, handle.path)
    with pytest.raises(ArtifactError, match="expected dataset"):
        store.open("dataset", handle.digest)
    assert make(store) == store.open("dataset", handle.digest)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "[" * 100_000, "{}", '{"digest": 3}', *(
        json.dumps({"digest": text, "made_at": "2026-11-30T04:00:00Z", "made_in_seconds": 0.1, "figures": {}}) for text in ("abc", "../..", "/etc", "..", "D" * 64, "d" * 63, "d" * 64 + "\n", "../" * 21 + "d")
    )]
)  # fmt: skip
def test_an_index_that_holds_no_digest_means_not_made(store, content):
    handle = make(store)
    (index,) = (store.root / "keys").iterdir()
    index.write_text(content)
    assert store.peek(INPUTS) is None
    assert store.find(INPUTS) == "not made yet"
    assert make(store).digest == handle.digest


@pytest.mark.parametrize(("kind", "digest"), [
    ("dataset", ".."), ("dataset", "../.."), ("dataset", "/etc"), ("dataset", "D" * 64), ("dataset", "d" * 16), ("dataset", ""),
    ("..", "d" * 64), ("/etc", "d" * 64), ("dataset/..", "d" * 64), ("", "d" * 64), ("Dataset", "d" * 64), ("d" * 32, "d" * 64),
])  # fmt: skip
def test_what_is_no_kind_or_no_digest_leads_nowhere(store, kind, digest):
    with pytest.raises(ArtifactError, match="names no artifact"):
        store.open(kind, digest)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/etc", "../a", "a\0b"])
def test_a_place_in_the_store_is_below_the_store(store, name):
    assert store.place("dataset", ".making-1") == store.root / "dataset" / ".making-1"
    for names in (("dataset", name), (name, "a")):
        with pytest.raises(ArtifactError, match="is not the name of anything in the store"):
            store.place(*names)


@pytest.mark.parametrize("name", ["dataset", "keys", "locks"])
@pytest.mark.parametrize("target", ["outside", "store", "nowhere", "itself"])
def test_a_folder_of_the_store_that_is_a_link_is_refused_and_nothing_is_changed(store, tmp_path, name, target):
    outside = tmp_path / target
    store.prepare()
    if target == "outside":
        outside.mkdir()
    link = store.root / name
    link.symlink_to(link if target == "itself" else outside)
    before = listing(tmp_path)
    with pytest.raises(ArtifactError, match=f"{link} is a link; expected a folder"):
        make(store)
    if name != "locks":  # which are taken first
        before |= {store.root / "locks": None, store.root / "locks" / f"dataset-{INPUTS.key}": b""}
    assert listing(tmp_path) == before


def test_a_store_that_is_a_link_itself_is_one(tmp_path):
    (tmp_path / "large disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "large disk")
    handle = make(Store(tmp_path / "store"))
    assert Store(tmp_path / "large disk").open("dataset", handle.digest).facts == handle.facts


def test_a_link_in_the_place_of_a_making_is_removed_and_not_followed(store, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "a.txt").write_text("mine")
    making = store.root / "dataset" / f".making-{INPUTS.key}"
    making.parent.mkdir(parents=True)
    making.symlink_to(tmp_path / "outside")
    handle = make(store)
    assert names(store.root / "dataset") == [handle.digest]
    assert not handle.path.is_symlink()
    assert listing(tmp_path / "outside") == {tmp_path / "outside" / "a.txt": b"mine"}


def test_an_index_that_is_another_steps_or_was_altered_means_not_made(store):
    """Both artifacts are sound: nothing but the index itself says which is whose."""
    first, second = make(store), make(store, OTHER, writes("other"))
    index, another = (store.root / "keys" / f"dataset-{inputs.key}.json" for inputs in (INPUTS, OTHER))
    written = index.read_text()
    for content in (another.read_text(), written.replace(first.digest, second.digest), written.replace(":", " :", 1)):
        index.write_text(content)
        found = store.find(INPUTS)
        assert found == "not made yet" or found.digest == first.digest
        assert store.peek(INPUTS) in (None, first.digest)


def test_what_killed_makings_left_is_removed_by_the_next_command_on_the_store(store, start_python):
    process = start_python(
        IN_A_PROCESS
        + """
def write(folder):
    (folder / "half.txt").write_text("half")
    print("half", flush=True)
    time.sleep(600)

store.make(inputs, write)
""",
        store.root,
    )
    assert process.stdout.readline() == "half\n"
    store.prepare()
    assert len(list(store.root.glob("dataset/.making-*"))) == 1  # it is being made
    process.kill()
    process.wait()
    assert store.left_over() == list(store.root.glob("dataset/.making-*"))
    store.prepare()
    assert not list(store.root.rglob("half.txt"))
    assert store.left_over() == []


def test_the_same_content_under_another_key_reuses_the_folder(store):
    first, second = make(store), make(store, OTHER)
    assert (second.path, second.digest, second.facts) == (first.path, first.digest, first.facts)
    assert len(visible(store.root / "dataset")) == 1
    assert store.find(OTHER) == second


def test_files_whose_bytes_differ_by_save_are_alike_where_what_stands_for_them_is(store):
    """Two saves of one model differ in their bytes, and are one artifact, the one that was first."""
    first = make(store, write=writes("a save", alike={"a.txt": "weights"}))
    second = make(store, write=writes("another save", alike={"a.txt": "weights"}))
    assert second.path == first.path
    assert (second.path / "a.txt").read_text() == "a save"
    assert make(store, write=writes("a save", alike={"a.txt": "other weights"})).digest != first.digest


def test_a_folder_of_such_files_is_alike_as_a_whole(store):
    first = make(store, write=writes(alike={"below": "one export"}))
    assert make(store, write=writes(alike={"below": "another export"})).digest != first.digest


def test_every_other_file_and_every_fact_makes_another_artifact(store):
    """What was made is what is there, for a later step and for a reader."""
    alike = {"below": "weights"}
    first = make(store, write=writes(alike=alike))
    for write in (writes("another", alike=alike), writes(facts={"rows": 4}, alike=alike)):
        again = make(store, write=write)
        assert again.digest != first.digest
        assert store.find(INPUTS).facts == again.facts


def test_figures_of_one_making_stand_beside_the_key_and_make_no_other_artifact(store):
    first = make(store, write=writes(figures={"seconds": 1.5}))
    again = make(store, write=writes(figures={"seconds": 2.5}))
    assert again.path == first.path
    assert (first.figures, again.figures) == ({"seconds": 1.5}, {"seconds": 2.5})
    assert store.find(INPUTS) == again
    assert "seconds" not in (first.path / MANIFEST).read_text().replace("made_in_seconds", "")
    assert store.open(first.kind, first.digest).figures == {}


def test_making_again_with_another_result_keeps_the_old_folder(store):
    """A promoted name may still need it."""
    old, new = make(store), make(store, write=writes("new"))
    assert new.path != old.path
    assert store.find(INPUTS) == new
    assert store.open("dataset", old.digest) == old


@pytest.mark.parametrize("error", [DataError("row 3"), KeyboardInterrupt(), ZeroDivisionError()])
def test_a_making_that_fails_leaves_nothing(store, error):
    def fails(folder):
        (folder / "half.txt").write_text("half")
        raise error

    with pytest.raises(type(error)):
        make(store, write=fails)
    assert names(store.root / "dataset") == []
    assert store.find(INPUTS) == "not made yet"
    assert isinstance(make(store), Handle)


def test_a_making_that_is_killed_leaves_no_artifact_and_a_free_lock(store, start_python):
    """SIGKILL while its files are being written; what it left is swept away by the next one."""
    process = start_python(
        IN_A_PROCESS
        + """
def write(folder):
    (folder / "half.txt").write_text("half")
    print("half", flush=True)
    time.sleep(600)

with store.lock(inputs):
    store.make(inputs, write)
""",
        store.root,
    )
    assert process.stdout.readline() == "half\n"
    process.kill()
    process.wait()
    assert list(store.root.rglob("half.txt"))
    assert visible(store.root / "dataset") == []
    assert store.find(OTHER) == "not made yet"
    handle = make(store, OTHER)
    assert names(store.root / "dataset") == [handle.path.name]
    assert not list(store.root.rglob("half.txt"))


def test_a_making_that_is_killed_again_and_again_never_shows_a_part(store, start_python):
    """Whatever the moment of the kill, every folder that counts is whole."""
    for _ in range(3):
        process = start_python(
            IN_A_PROCESS
            + """
for i in range(10_000):
    def write(folder):
        for name in "abcdef":
            (folder / name).write_text(name * (100_000 + i))
        return Made({})
    with store.lock(inputs):
        store.make(inputs, write)
    print(i, flush=True)
""",
            store.root,
        )
        for _ in range(4):
            process.stdout.readline()
        process.kill()
        process.wait()
        whole = visible(store.root / "dataset")
        assert len(whole) >= 4
        for name in whole:
            check_artifact(store.root / "dataset" / name)
        assert isinstance(store.find(OTHER), Handle)


def test_a_full_disk_ends_the_making_and_leaves_the_store_whole(store, run_python):
    """A limit on the size of files stands in for it."""
    before = make(store)
    message = run_python(
        IN_A_PROCESS
        + """
def write(folder):
    (folder / "small.txt").write_text("small")
    (folder / "large.txt").write_text("x" * 1_000_000)

resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))
try:
    with store.lock(inputs):
        store.make(inputs, write)
except ArtifactError as error:
    print(error)
""",
        store.root,
    )
    assert "cannot be written: File too large" in message
    assert "make room, or choose another folder with --store" in message
    assert names(store.root / "dataset") == [before.path.name]
    assert store.find(INPUTS) == before
    assert store.find(OTHER) == "not made yet"
    assert isinstance(make(store, OTHER, writes("other")), Handle)


def test_a_full_disk_at_the_manifest_leaves_no_artifact(store, run_python):
    """The files fit, their list does not."""
    run_python(
        IN_A_PROCESS
        + """
def write(folder):
    (folder / "a.txt").write_text("small")
    return Made({"long": "x" * 100_000})

resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, 65_536))
try:
    with store.lock(inputs):
        store.make(inputs, write)
except ArtifactError:
    sys.exit(0)
sys.exit(1)
""",
        store.root,
    )
    assert names(store.root / "dataset") == []
    assert store.find(OTHER) == "not made yet"


def test_a_store_is_created_and_proven_before_work(tmp_path):
    store = Store(tmp_path / "new" / "store")
    store.prepare()
    assert names(store.root) == []


def test_a_store_that_cannot_be_created_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(ArtifactError, match=r"cannot be written.*--store"):
            Store(path).prepare()


def test_a_stores_root_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert Store(tmp_path.__class__("here")).root == tmp_path / "here"
    assert Store(tmp_path.__class__("~/there")).root == tmp_path / "home" / "there"


@pytest.mark.seconds
def test_a_store_is_prepared_by_many_at_once(tmp_path):
    """In two containers even processes have the same number."""
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: Store(tmp_path).prepare(), range(400)))
    assert list(tmp_path.iterdir()) == []
