import pytest

from tasks.seq2seq.errors import ArtifactError, SettingsError
from tasks.seq2seq.gate import Verdict
from tasks.storage import promotions
from tasks.storage.promotions import Promotions, promote, read_promotions, roll_back
from tasks.storage.store import Store

PASSED, REFUSED = Verdict(passed=True, reason="good"), Verdict(passed=False, reason="bad")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def decide(store, name, *model_and_verdict, again=False, **more):
    """The gate, which has compared with what serves at the time."""
    compared = {"compared_with": promoted(store, name), **more}
    return promotions.decide(store, name, *model_and_verdict, again=again, **compared)


def promoted(store, name="g2p"):
    return read_promotions(store, name).promoted


def test_nothing_stands_under_a_new_name(store):
    assert read_promotions(store, "g2p") == Promotions()


def test_a_model_that_passes_is_promoted_with_its_evaluation(store):
    decision, decided_now = decide(store, "g2p", "m1", "e1", PASSED)
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
    decide(store, "g2p", "m1", "e1", PASSED)
    decision, _ = decide(store, "g2p", "m2", "e2", REFUSED)
    assert not decision.promoted
    assert promoted(store) == "m1"
    assert read_promotions(store, "g2p").decision_of("m2") == decision


def test_a_first_model_that_is_refused_leaves_the_name_without_one(store):
    decide(store, "g2p", "m1", "e1", REFUSED)
    assert promoted(store) is None


def test_a_cached_run_promotes_nothing_whatever_was_promoted_since(store):
    first, _ = decide(store, "g2p", "m1", "e1", PASSED)
    decide(store, "g2p", "m2", "e2", PASSED)
    assert decide(store, "g2p", "m1", "e1", PASSED) == (first, False)
    assert promoted(store) == "m2"
    assert len(read_promotions(store, "g2p").decisions) == 2


def test_a_model_that_was_made_again_is_decided_upon_again(store):
    decide(store, "g2p", "m1", "e1", REFUSED)
    decision, decided_now = decide(store, "g2p", "m1", "e2", PASSED, again=True)
    assert decided_now
    assert promoted(store) == "m1"
    assert read_promotions(store, "g2p").decision_of("m1") == decision


def test_names_stand_apart(store):
    decide(store, "g2p", "m1", "e1", PASSED)
    decide(store, "sums", "m2", "e2", PASSED)
    assert (promoted(store, "g2p"), promoted(store, "sums")) == ("m1", "m2")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"promoted": 3}', '{"added": 1}', '{"decisions": [{}]}'])
def test_a_record_that_cannot_be_read_is_refused_and_kept(store, content):
    """To write over it would forget what serves."""
    decide(store, "g2p", "m1", "e1", PASSED)
    (path,) = (store.root / "promotions").iterdir()
    path.write_text(content)
    with pytest.raises(ArtifactError, match=f"{path} cannot be read as a record of promotions"):
        read_promotions(store, "g2p")
    with pytest.raises(ArtifactError, match="cannot be read"):
        decide(store, "g2p", "m2", "e2", PASSED)
    assert path.read_text() == content


def test_decisions_of_processes_at_once_are_all_kept(store, start_python):
    processes = [
        start_python(
            """
            import pathlib, sys
            from tasks.seq2seq.gate import Verdict
            from tasks.storage.promotions import decide, read_promotions
            from tasks.storage.store import Store
            print("ready", flush=True)
            sys.stdin.readline()
            for i in range(20):
                model = f"{sys.argv[2]}{i}"
                store = Store(pathlib.Path(sys.argv[1]))
                serves = read_promotions(store, "g2p").promoted
                decide(store, "g2p", model, "e", Verdict(True, "good"), again=False, compared_with=serves)
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
    assert promoted(store) == [decision for decision in decisions if decision.promoted][-1].model


def test_a_model_is_refused_that_was_compared_with_one_that_does_not_serve_any_more(store):
    decide(store, "g2p", "m1", "e1", PASSED)
    decision, _ = decide(store, "g2p", "m3", "e3", PASSED, compared_with="m0")
    assert not decision.promoted
    assert "another model was promoted while this one was compared" in decision.reason
    assert promoted(store) == "m1"


def test_the_holdout_is_fixed_by_the_first_promotion_alone(store):
    decide(store, "g2p", "m1", "e1", REFUSED, holdout="h0")
    assert read_promotions(store, "g2p").holdout is None
    decide(store, "g2p", "m2", "e2", PASSED, holdout="h1")
    decide(store, "g2p", "m3", "e3", PASSED, holdout="h2")
    promote(store, "g2p", "m4", "by hand", holdout="h3")
    assert read_promotions(store, "g2p").holdout == "h1"


def test_a_person_may_let_a_refused_model_serve_and_the_record_says_who_and_why(store):
    decide(store, "g2p", "m1", "e1", PASSED)
    decide(store, "g2p", "m2", "e2", REFUSED)
    promote(store, "g2p", "m2", "the holdout has wrong labels")
    assert promoted(store) == "m2"
    last = read_promotions(store, "g2p").decisions[-1]
    assert (last.by, last.reason, last.replaced) == ("person", "the holdout has wrong labels", "m1")


def test_a_rollback_lets_the_model_before_serve_again_and_a_second_one_leads_further_back(store):
    for model in ("m1", "m2", "m3"):
        decide(store, "g2p", model, "e", PASSED)
    roll_back(store, "g2p", "complaints")
    assert promoted(store) == "m2"
    assert read_promotions(store, "g2p").decision_of("m3").promoted is False
    roll_back(store, "g2p", "more complaints")
    assert promoted(store) == "m1"
    with pytest.raises(SettingsError, match="no other model served as 'g2p' before"):
        roll_back(store, "g2p", "still")


def test_what_a_person_rolled_back_stays_so_however_often_it_is_made_again(store):
    decide(store, "g2p", "m1", "e", PASSED)
    decide(store, "g2p", "m2", "e", PASSED)
    roll_back(store, "g2p", "complaints")
    decision, decided_now = decide(store, "g2p", "m2", "e", PASSED, again=True)
    assert (decision.by, decided_now, promoted(store)) == ("person", False, "m1")


def test_a_model_that_is_promoted_twice_in_a_row_does_not_follow_itself(store):
    decide(store, "g2p", "m1", "e", PASSED)
    decide(store, "g2p", "m2", "e", PASSED)
    decide(store, "g2p", "m2", "e", PASSED, again=True)
    assert roll_back(store, "g2p", "complaints").model == "m1"


def test_nothing_can_be_rolled_back_under_a_name_without_a_model(store):
    with pytest.raises(SettingsError, match="no model is promoted as 'g2p'"):
        roll_back(store, "g2p", "why not")
