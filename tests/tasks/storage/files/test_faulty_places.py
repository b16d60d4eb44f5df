"""Places behind a server that fails: nothing is lost, written twice as two, or believed half."""

import os

import pytest

from tasks.seq2seq.errors import PlaceError
from tasks.storage.files import object_places
from tasks.storage.files.places import place_of
from tests.helpers.faulty_proxy import FAULTS, faulty_proxy
from tests.helpers.in_object_stores import servers, url_of
from tests.helpers.object_stores import environment

pytestmark = pytest.mark.seconds
server = servers()


@pytest.fixture
def behind(server, monkeypatch):
    """Opens a place through a proxy with faults."""

    def open_place(address, name):
        for variable, value in environment(address).items():
            monkeypatch.setenv(variable, value)
        return place_of(url_of(name))

    return open_place


def use(place, tmp_path, n):
    """Creates, changes, lists, reads and fetches files, and holds each answer against what it must be."""
    content = os.urandom(300_000)
    (tmp_path / "content").write_bytes(content)
    for i in range(n):
        created = place.swap(f"{i}/a", f"first {i}".encode(), None)
        assert created is not None
        assert place.swap(f"{i}/a", b"another", None) is None
        changed = place.swap(f"{i}/a", f"second {i}".encode(), created)
        assert changed is not None
        assert place.swap(f"{i}/a", b"another", created) is None
        assert place.read(f"{i}/a") == (f"second {i}".encode(), changed)
        place.put(f"{i}/b", tmp_path / "content")
        assert place.swap(f"{i}/c", tmp_path / "content", None) is not None
        for name in ("b", "c"):
            place.fetch(place.look(f"{i}/{name}"), tmp_path / "again")
            assert (tmp_path / "again").read_bytes() == content
        assert sorted(entry.name for entry in place.entries(str(i))) == [f"{i}/a", f"{i}/b", f"{i}/c"]
        place.delete([f"{i}/b", f"{i}/nothing"])
        assert place.look(f"{i}/b") is None


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "stalled"])
def test_a_fault_of_every_third_request_changes_no_answer(fault, server, behind, tmp_path, monkeypatch):
    monkeypatch.setattr(object_places, "PART_BYTES", 100_000)
    with faulty_proxy(server, [fault]) as (address, proxy):
        use(behind(address, fault.replace(" ", "-")), tmp_path, 2)
    assert proxy.done[fault] > 10


def test_a_stall_longer_than_a_request_may_take_changes_no_answer(server, behind, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_TIMEOUT", "1s")
    with faulty_proxy(server, ["stalled"], stall_seconds=2.0, every=12) as (address, proxy):
        use(behind(address, "stalled"), tmp_path, 1)
    assert proxy.done["stalled"] >= 2


def test_a_server_that_never_recovers_is_said_to_be_out_of_reach(server, behind, monkeypatch):
    monkeypatch.setattr(object_places, "TRY_SECONDS", 1.0)
    with (
        faulty_proxy(server, ["throttled"], every=1) as (address, _),
        pytest.raises(PlaceError, match="cannot be reached"),
    ):
        behind(address, "never").read("a")


@pytest.mark.exhaustive
def test_stalls_of_thirty_seconds_among_all_faults_change_no_answer(server, behind, tmp_path):
    with faulty_proxy(server, FAULTS, stall_seconds=30.0) as (address, proxy):
        use(behind(address, "all"), tmp_path, 2)
    assert min(proxy.done.values()) >= 2
