"""A store in an object store: what a local one does, seen from two machines."""

import json
import os

import pytest

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.promotion.gate import Verdict
from tasks.storage.files.places import place_of
from tasks.storage.store import use
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.inventory import take_inventory
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.promotions import decide, promote, read_promotions, roll_back
from tasks.storage.store.prune import Rules, prune
from tasks.storage.store.verify import verify, verify_records
from tests.helpers.chains import chain, put, serve
from tests.helpers.in_object_stores import servers, url_of
from tests.helpers.stored import digest

pytestmark = pytest.mark.seconds
server = servers()
INPUTS = StepInputs("dataset", {"seed": 0}, {"train": "f" * 64}, {"name": "g2p"}, {})
M1, M2, M3 = (digest(f"model {i}") for i in range(3))


@pytest.fixture
def url(request):
    return url_of(request.node.name.replace("[", "-").replace("]", ""))


@pytest.fixture
def machine(url, tmp_path, monkeypatch):
    """Opens the store as a machine of some name sees it, which has a cache of its own."""

    def open_store(name="here"):
        release()
        monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / name))
        return Store(url)

    return open_store


def release():
    while use._HELD:
        os.close(use._HELD.popitem()[1])


def writes(content):
    def write(folder):
        (folder / "below").mkdir()
        (folder / "below" / "a.txt").write_text(content)
        (folder / "empty").touch()
        return Made({"rows": 3}, {"below": "alike"})

    return write


def test_what_one_machine_makes_another_finds_and_uses(machine, url):
    made = machine().make(INPUTS, writes("content"))
    found = machine("there").find(INPUTS)
    assert found.model_copy(update={"path": made.path}) == made
    assert found.path != made.path
    assert (found.path / "below" / "a.txt").read_text() == "content"
    names = {entry.name for entry in place_of(url).entries()}
    assert f"dataset/{made.digest}/manifest.json" in names
    assert len(names) == 4  # two files and the index


def test_a_copy_that_was_damaged_on_this_machine_is_fetched_again(machine):
    store = machine()
    made = store.make(INPUTS, writes("content"))
    (made.path / "below" / "a.txt").write_text("CONTENT")
    assert (store.open("dataset", made.digest).path / "below" / "a.txt").read_text() == "content"


def test_what_is_damaged_in_the_object_store_is_said_and_made_again(machine, url):
    made = machine().make(INPUTS, writes("content"))
    place = place_of(url)
    (name,) = (entry.name for entry in place.entries() if entry.name.endswith("a.txt"))
    place.swap(name, b"CONTENT", place.look(name).stamp)
    store = machine("there")
    (found,) = verify(store, [("dataset", made.digest)])
    assert found.fault == f"{url}/{name} was altered: its digest does not fit the manifest"
    assert store.find(INPUTS) == found.fault
    assert store.make(INPUTS, writes("content")).digest == made.digest
    assert machine("elsewhere").find(INPUTS).digest == made.digest


def test_of_two_machines_that_make_the_same_the_first_has_made_it(machine, url):
    """Their files differ by save, as those of models do; what is there is of one of them."""
    first, second = machine(), machine("there")

    def write_late(folder):
        first.make(INPUTS, writes("first"))
        return writes("second")(folder)

    made = second.make(INPUTS, write_late)
    assert (made.path / "below" / "a.txt").read_text() == "first"
    assert len(list(place_of(url).entries("dataset"))) == 3
    assert machine("elsewhere").find(INPUTS).digest == made.digest


def test_of_two_machines_that_make_another_artifact_of_one_step_both_go_on_with_the_first(machine):
    first, second = machine(), machine("there")

    def make_other(folder):
        first.make(INPUTS, put_content("first"))
        return put_content("second")(folder)

    made = second.make(INPUTS, make_other)
    assert (made.path / "content").read_text() == "first"
    assert machine("elsewhere").find(INPUTS).digest == made.digest


def put_content(content):
    def write(folder):
        (folder / "content").write_text(content)
        return Made({})

    return write


WRITER = """
    import sys, json
    from tasks.seq2seq.promotion.gate import Verdict
    from tasks.storage.store.artifact_store import Store
    from tasks.storage.store.making import Made, StepInputs
    from tasks.storage.store.promotions import decide

    store, number = Store(sys.argv[1]), sys.argv[2]
    store.prepare()
    print("ready", flush=True)
    sys.stdin.readline()

    def write(folder):
        (folder / "model").write_text(number)
        return Made({}, {"model": "alike"})

    made = store.make(StepInputs("bundle", {}, {}, {}, {}), write)
    mine = number.rjust(64, "0")
    decision, _ = decide(store, "g2p", mine, mine, Verdict(True, "good"), again=True, compared_with=None)
    print(json.dumps([(made.path / "model").read_text(), decision.promoted]), flush=True)
"""


def test_of_eight_machines_that_publish_at_once_one_does_and_one_is_promoted(url, tmp_path, start_python, monkeypatch):
    writers = []
    for number in range(8):
        monkeypatch.setenv("SEQ2SEQ_CACHE", str(tmp_path / str(number)))
        writers.append(start_python(WRITER, url, number))
    for writer in writers:
        assert writer.stdout.readline() == "ready\n", writer.communicate()
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    results = [json.loads(writer.communicate(timeout=60)[0]) for writer in writers]
    assert len({made for made, _ in results}) == 1
    assert sum(promoted for _, promoted in results) == 1
    promotions = read_promotions(Store(url), "g2p")
    assert len(promotions.decisions) == 8
    assert [one.model for one in promotions.decisions if one.promoted] == [promotions.promoted]


def test_a_decision_on_what_another_machine_has_changed_meanwhile_is_made_anew(machine, monkeypatch):
    store, other = machine(), machine("there")
    promote(store, "g2p", M1, "first")
    swap = Store.swap_record

    def late(self, *given):
        monkeypatch.setattr(Store, "swap_record", swap)
        promote(other, "g2p", M2, "meanwhile")
        return swap(self, *given)

    monkeypatch.setattr(Store, "swap_record", late)
    decision, _ = decide(store, "g2p", M3, digest("evaluation"), Verdict(True, "good"), again=True, compared_with=M1)
    assert decision.reason == "another model was promoted while this one was compared; run again"
    assert read_promotions(store, "g2p").promoted == M2
    assert roll_back(store, "g2p", "bad").model == M1


def test_a_clean_up_takes_out_what_may_go_on_every_machine(machine):
    store = machine()
    old, served = chain(store), chain(store, 1)
    serve(store, served)
    store = machine("there")
    before = take_inventory(store)
    assert len(before.artifacts) == 12
    assert before.bytes > 12 * 1000
    plan = prune(store, Rules(older_than=0))
    assert {item.stored.digest for item in plan.removed} >= {handle.digest for handle in old}
    left = take_inventory(machine())
    assert {one.digest for one in left.artifacts} == {served.dataset.digest, served.training.digest,
                                                      served.bundle.digest, served.evaluation.digest}  # fmt: skip
    assert [found.fault for found in verify(store, [(one.kind, one.digest) for one in left.artifacts])] == [None] * 4
    assert [found.fault for found in verify_records(store) if found.kind == "keys"] == [None] * 4
    with pytest.raises(ArtifactError, match=r"^s3://.* is not an artifact"):
        machine().open("bundle", old.bundle.digest)


def test_the_copies_on_a_machine_take_no_more_than_they_may(machine, monkeypatch):
    store = machine()
    monkeypatch.setenv("SEQ2SEQ_CACHE_GIB", str(25_000 / 2**30))
    made = [put(store, "dataset", str(n), {}, size=10_000) for n in range(4)]
    store = machine("there")
    for handle in made:
        store.open("dataset", handle.digest)
        assert sum(path.stat().st_size for path in store.root.rglob("*") if path.is_file()) < 25_000 or use._HELD
        release()
    kept = {path.name for path in (store.root / "dataset").iterdir()}
    assert kept == {made[2].digest, made[3].digest}
    held = [store.open("dataset", handle.digest).path for handle in made]
    assert all(path.is_dir() for path in held)  # this process uses them
