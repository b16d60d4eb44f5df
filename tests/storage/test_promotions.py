import pytest

from tasks.seq2seq.errors import ArtifactError
from tasks.seq2seq.gate import Verdict
from tasks.storage.promotions import Promotions, decide, read_promotions
from tasks.storage.store import Store

PASSED, REFUSED = Verdict(passed=True, reason="good"), Verdict(passed=False, reason="bad")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def promoted(store, name="g2p"):
    return read_promotions(store, name).promoted


def test_nothing_stands_under_a_new_name(store):
    assert read_promotions(store, "g2p") == Promotions()


def test_a_model_that_passes_is_promoted_with_its_evaluation(store):
    decision, decided_now = decide(store, "g2p", "m1", "e1", PASSED, again=False)
    assert (decision.model, decision.evaluation, decision.reason, decision.promoted) == (
        "m1",
        "e1",
        "good",
        True,
    )
    assert decided_now
    assert promoted(store) == "m1"
    assert read_promotions(store, "g2p").decisions == (decision,)


def test_a_refused_model_is_recorded_and_the_one_before_goes_on_serving(store):
    decide(store, "g2p", "m1", "e1", PASSED, again=False)
    decision, _ = decide(store, "g2p", "m2", "e2", REFUSED, again=False)
    assert not decision.promoted
    assert promoted(store) == "m1"
    assert read_promotions(store, "g2p").decision_of("m2") == decision


def test_a_first_model_that_is_refused_leaves_the_name_without_one(store):
    decide(store, "g2p", "m1", "e1", REFUSED, again=False)
    assert promoted(store) is None


def test_a_cached_run_promotes_nothing_whatever_was_promoted_since(store):
    first, _ = decide(store, "g2p", "m1", "e1", PASSED, again=False)
    decide(store, "g2p", "m2", "e2", PASSED, again=False)
    assert decide(store, "g2p", "m1", "e1", PASSED, again=False) == (first, False)
    assert promoted(store) == "m2"
    assert len(read_promotions(store, "g2p").decisions) == 2


def test_a_model_that_was_made_again_is_decided_upon_again(store):
    decide(store, "g2p", "m1", "e1", REFUSED, again=False)
    decision, decided_now = decide(store, "g2p", "m1", "e2", PASSED, again=True)
    assert decided_now
    assert promoted(store) == "m1"
    assert read_promotions(store, "g2p").decision_of("m1") == decision


def test_names_stand_apart(store):
    decide(store, "g2p", "m1", "e1", PASSED, again=False)
    decide(store, "sums", "m2", "e2", PASSED, again=False)
    assert (promoted(store, "g2p"), promoted(store, "sums")) == ("m1", "m2")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"promoted": 3}', '{"added": 1}', '{"decisions": [{}]}'])
def test_a_record_that_cannot_be_read_is_refused_and_kept(store, content):
    """To write over it would forget what serves."""
    decide(store, "g2p", "m1", "e1", PASSED, again=False)
    (path,) = (store.root / "promotions").iterdir()
    path.write_text(content)
    with pytest.raises(ArtifactError, match=f"{path} cannot be read as a record of promotions"):
        read_promotions(store, "g2p")
    with pytest.raises(ArtifactError, match="cannot be read"):
        decide(store, "g2p", "m2", "e2", PASSED, again=False)
    assert path.read_text() == content


def test_decisions_of_processes_at_once_are_all_kept(store, start_python):
    processes = [
        start_python(
            """
            import pathlib, sys
            from tasks.seq2seq.gate import Verdict
            from tasks.storage.promotions import decide
            from tasks.storage.store import Store
            print("ready", flush=True)
            sys.stdin.readline()
            for i in range(20):
                model = f"{sys.argv[2]}{i}"
                decide(Store(pathlib.Path(sys.argv[1])), "g2p", model, "e", Verdict(True, "good"), again=False)
            """,
            store.root,
            letter,
        )
        for letter in "ab"
    ]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    assert [process.wait() for process in processes] == [0, 0]
    decisions = read_promotions(store, "g2p").decisions
    assert {decision.model for decision in decisions} == {f"{letter}{i}" for letter in "ab" for i in range(20)}
    assert promoted(store) == decisions[-1].model
