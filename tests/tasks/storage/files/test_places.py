import hashlib
import json
import os

import pytest

from tasks.seq2seq.errors import PlaceError, SettingsError
from tasks.storage.files import object_places
from tasks.storage.files.places import place_of
from tests.helpers.object_stores import BUCKET, KINDS, environment, object_store

pytestmark = pytest.mark.seconds
WRITERS = 8


@pytest.fixture(scope="module", params=["disk", *KINDS])
def where(request, tmp_path_factory):
    """A place of each kind."""
    if request.param == "disk":
        yield tmp_path_factory.mktemp("place")
        return
    with object_store(request.param) as address, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(address).items():
            patch.setenv(name, value)
        yield f"s3://{BUCKET}/some/folder"


@pytest.fixture
def place(where, request):
    """A place of each test's own."""
    name = request.node.name.partition("[")[0]
    return place_of(where / name if isinstance(where, os.PathLike) else f"{where}/{name}")


def test_what_is_not_there_is_none(place):
    assert place.look("a") is None
    assert place.read("a") is None
    assert list(place.entries()) == []
    place.delete(["a"])


def test_a_file_is_created_once(place):
    stamp = place.swap("in/a.json", b"first", None)
    assert place.swap("in/a.json", b"second", None) is None
    assert place.read("in/a.json") == (b"first", stamp)
    assert place.look("in/a.json").stamp == stamp
    assert place.look("in/a.json").size == 5


def test_a_file_is_changed_only_as_it_was_seen(place):
    first = place.swap("a", b"first", None)
    second = place.swap("a", b"second", first)
    assert second not in (None, first)
    assert place.swap("a", b"third", first) is None
    assert place.swap("b", b"third", first) is None  # it is not there at all
    assert place.read("a") == (b"second", second)


def test_files_are_listed_by_their_names_below_the_place(place):
    for name in ("a b/ü%2F.csv", "a b/c/d#?", "a b.csv"):
        place.swap(name, name.encode(), None)
    assert sorted(entry.name for entry in place.entries()) == ["a b.csv", "a b/c/d#?", "a b/ü%2F.csv"]
    assert sorted((entry.name, entry.size) for entry in place.entries("a b")) == [
        ("a b/c/d#?", 9),
        ("a b/ü%2F.csv", 13),
    ]
    assert all(place.look(entry.name) == entry for entry in place.entries("a b"))


def test_what_is_deleted_can_be_created_again(place):
    place.swap("a", b"first", None)
    place.delete(["a", "b"])
    assert list(place.entries()) == []
    assert place.swap("a", b"second", None)


def test_a_large_file_comes_back_as_it_was(place, tmp_path, monkeypatch):
    monkeypatch.setattr(object_places, "PART_BYTES", 2**20)
    content = os.urandom(11 * 2**20 + 7)
    (tmp_path / "a").write_bytes(content)
    place.put("a", tmp_path / "a")
    assert place.swap("b", tmp_path / "a", None)
    for name in ("a", "b"):
        digest = place.fetch(place.look(name), tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == content
        assert digest == hashlib.sha256(content).hexdigest()


def test_an_empty_file_is_a_file(place, tmp_path):
    (tmp_path / "a").touch()
    assert place.swap("a", tmp_path / "a", None)
    place.put("b", tmp_path / "a")
    for name in ("a", "b"):
        place.fetch(place.look(name), tmp_path / "again")
        assert (tmp_path / "again").read_bytes() == b""


def test_a_file_that_changed_since_it_was_looked_at_is_not_taken_for_what_it_was(place, tmp_path):
    stamp = place.swap("a", b"first", None)
    entry = place.look("a")
    place.swap("a", b"other", stamp)
    with pytest.raises(FileNotFoundError):
        place.fetch(entry, tmp_path / "a")
    place.delete(["a"])
    with pytest.raises(FileNotFoundError):
        place.fetch(entry, tmp_path / "a")


WRITER = """
    import json
    import sys
    from tasks.storage.files.places import place_of

    place, number = place_of(sys.argv[1]), sys.argv[2].encode()
    place.swap(f"warm-{sys.argv[2]}", number, None)
    print("ready", flush=True)
    sys.stdin.readline()
    created, tries, done = place.swap("created", number, None), 0, None
    while done is None:
        tries += 1
        before = place.read("counted")
        after = b",".join([*([before.content] if before else []), number])
        done = place.swap("counted", after, before.stamp if before else None)
    print(json.dumps([created is not None, tries]), flush=True)
"""


def test_of_eight_writers_exactly_one_wins(place, where, start_python):
    """They create a file, then each adds its number to another, as often as it takes."""
    writers = [start_python(WRITER, place.shown(), number) for number in range(WRITERS)]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n", writer.communicate()
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    results = [json.loads(writer.communicate(timeout=60)[0]) for writer in writers]
    assert sum(created for created, _ in results) == 1
    assert sum(tries for _, tries in results) > WRITERS  # or they did not meet
    assert sorted(place.read("counted").content.split(b",")) == [str(number).encode() for number in range(WRITERS)]


def test_a_server_that_ignores_conditions_is_refused(monkeypatch):
    monkeypatch.setattr(object_places, "TRY_SECONDS", 1.0)  # it does not remove what it was asked to either
    with object_store("careless") as address:
        for name, value in environment(address).items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SettingsError, match=r"^s3://bucket/a cannot be written to safely: its server ignores"):
            place_of("s3://bucket/a").swap("b", b"c", None)


def test_a_server_that_is_not_there_is_told_by_what_to_look_at(monkeypatch):
    monkeypatch.setattr(object_places, "TRY_SECONDS", 1.0)
    for name, value in environment("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(
        PlaceError, match=r"^s3://bucket/a/b cannot be reached: .*is the server there, and AWS_ENDPOINT"
    ):
        place_of("s3://bucket/a").read("b")
    monkeypatch.delenv("AWS_ALLOW_HTTP")
    with pytest.raises(PlaceError, match="AWS_ALLOW_HTTP=true"):
        place_of("s3://bucket/a").read("b")


@pytest.mark.parametrize(
    "address",
    [
        "no address",
        "127.0.0.1:9000",
        "http://",
        "http://a b",
        "http://127.0.0.1:99999",
        "http://[::1",
        "ftp://host",
        "",
    ],
)
def test_an_address_that_is_none_is_refused_before_a_request(address, monkeypatch):
    """The library panics by some of them."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    with pytest.raises(SettingsError, match=r"^AWS_ENDPOINT_URL is .*, expected an address such as"):
        place_of("s3://bucket/a")


def test_no_password_is_told_of_an_address_that_is_none(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://someone:secret@a b")
    with pytest.raises(SettingsError) as refused:
        place_of("s3://bucket/a")
    assert "secret" not in str(refused.value)
