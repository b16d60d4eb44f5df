import json

import pytest

from tasks.seq2seq.errors import ArtifactError, SettingsError
from tasks.seq2seq.promotion.gate import Verdict
from tasks.storage.store import promotions
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.promotions import Promotions, promote, read_promotions, roll_back
from tests.helpers.stored import digest

PASSED, REFUSED = Verdict(passed=True, reason="good"), Verdict(passed=False, reason="bad")
M0, M1, M2, M3, M4 = (digest(f"model {i}") for i in range(5))
E, E1, E2, E3 = (digest(f"evaluation {i}") for i in range(4))
H0, H1, H2, H3 = (digest(f"holdout {i}") for i in range(4))


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
    decision, decided_now = decide(store, "g2p", M1, E1, PASSED)
    assert (decision.model, decision.evaluation, decision.reason, decision.promoted) == (
        M1,
        E1,
        "good",
        True,
    )
    assert decided_now
    assert promoted(store) == M1
    assert read_promotions(store, "g2p").decisions == (decision,)


def test_a_refused_model_is_recorded_and_the_one_before_goes_on_serving(store):
    decide(store, "g2p", M1, E1, PASSED)
    decision, _ = decide(store, "g2p", M2, E2, REFUSED)
    assert not decision.promoted
    assert promoted(store) == M1
    assert read_promotions(store, "g2p").decision_of(M2) == decision


def test_a_first_model_that_is_refused_leaves_the_name_without_one(store):
    decide(store, "g2p", M1, E1, REFUSED)
    assert promoted(store) is None


def test_a_cached_run_promotes_nothing_whatever_was_promoted_since(store):
    first, _ = decide(store, "g2p", M1, E1, PASSED)
    decide(store, "g2p", M2, E2, PASSED)
    assert decide(store, "g2p", M1, E1, PASSED) == (first, False)
    assert promoted(store) == M2
    assert len(read_promotions(store, "g2p").decisions) == 2


def test_a_model_that_was_made_again_is_decided_upon_again(store):
    decide(store, "g2p", M1, E1, REFUSED)
    decision, decided_now = decide(store, "g2p", M1, E2, PASSED, again=True)
    assert decided_now
    assert promoted(store) == M1
    assert read_promotions(store, "g2p").decision_of(M1) == decision


def test_names_stand_apart(store):
    decide(store, "g2p", M1, E1, PASSED)
    decide(store, "sums", M2, E2, PASSED)
    assert (promoted(store, "g2p"), promoted(store, "sums")) == (M1, M2)


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[]", "[" * 100_000, '{"promoted": 3}', '{"added": 1}', '{"decisions": [{}]}',
        '{"promoted": "../../elsewhere"}', '{"promoted": "m1"}', '{"holdout": "/elsewhere"}', f'{{"holdout": "{"A" * 64}"}}',
        *(
            json.dumps({"decisions": [{"model": M1, "evaluation": E1, "promoted": True, "reason": "good", "at": 0} | wrong]})
            for wrong in ({"model": "../.."}, {"evaluation": "..\n"}, {"replaced": M1[:16]})
        ),
    ],
)  # fmt: skip
def test_a_record_that_cannot_be_read_is_refused_in_a_line_and_kept(store, content):
    """To write over it would forget what serves."""
    decide(store, "g2p", M1, E1, PASSED)
    (path,) = (store.root / "promotions").iterdir()
    path.write_text(content)
    with pytest.raises(ArtifactError, match=f"^{path} cannot be read as a record of promotions: .+$") as refused:
        read_promotions(store, "g2p")
    assert "\n" not in str(refused.value)
    with pytest.raises(ArtifactError, match="cannot be read"):
        decide(store, "g2p", M2, E2, PASSED)
    assert path.read_text() == content


def test_decisions_of_processes_at_once_are_all_kept(store, start_python):
    processes = [
        start_python(
            """
            import pathlib, sys
            from tests.helpers.stored import digest
            from tasks.seq2seq.promotion.gate import Verdict
            from tasks.storage.store.promotions import decide, read_promotions
            from tasks.storage.store.artifact_store import Store
            print("ready", flush=True)
            sys.stdin.readline()
            for i in range(20):
                model = digest(f"{sys.argv[2]}{i}")
                store = Store(pathlib.Path(sys.argv[1]))
                serves = read_promotions(store, "g2p").promoted
                decide(store, "g2p", model, model, Verdict(True, "good"), again=False, compared_with=serves)
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
    assert {decision.model for decision in decisions} == {digest(f"{letter}{i}") for letter in "ab" for i in range(20)}
    assert promoted(store) == [decision for decision in decisions if decision.promoted][-1].model


def test_a_model_is_refused_that_was_compared_with_one_that_does_not_serve_any_more(store):
    decide(store, "g2p", M1, E1, PASSED)
    decision, _ = decide(store, "g2p", M3, E3, PASSED, compared_with=M0)
    assert not decision.promoted
    assert "another model was promoted while this one was compared" in decision.reason
    assert promoted(store) == M1


def test_the_holdout_is_fixed_by_the_first_promotion_alone(store):
    decide(store, "g2p", M1, E1, REFUSED, holdout=H0)
    assert read_promotions(store, "g2p").holdout is None
    decide(store, "g2p", M2, E2, PASSED, holdout=H1)
    decide(store, "g2p", M3, E3, PASSED, holdout=H2)
    promote(store, "g2p", M4, "by hand", holdout=H3)
    assert read_promotions(store, "g2p").holdout == H1


def test_a_person_may_let_a_refused_model_serve_and_the_record_says_who_and_why(store):
    decide(store, "g2p", M1, E1, PASSED)
    decide(store, "g2p", M2, E2, REFUSED)
    promote(store, "g2p", M2, "the holdout has wrong labels")
    assert promoted(store) == M2
    last = read_promotions(store, "g2p").decisions[-1]
    assert (last.by, last.reason, last.replaced) == ("person", "the holdout has wrong labels", M1)


def test_a_rollback_lets_the_model_before_serve_again_and_a_second_one_leads_further_back(store):
    for model in (M1, M2, M3):
        decide(store, "g2p", model, E, PASSED)
    roll_back(store, "g2p", "complaints")
    assert promoted(store) == M2
    assert read_promotions(store, "g2p").decision_of(M3).promoted is False
    roll_back(store, "g2p", "more complaints")
    assert promoted(store) == M1
    with pytest.raises(SettingsError, match="no other model served as 'g2p' before"):
        roll_back(store, "g2p", "still")


def test_what_a_person_rolled_back_stays_so_however_often_it_is_made_again(store):
    decide(store, "g2p", M1, E, PASSED)
    decide(store, "g2p", M2, E, PASSED)
    roll_back(store, "g2p", "complaints")
    decision, decided_now = decide(store, "g2p", M2, E, PASSED, again=True)
    assert (decision.by, decided_now, promoted(store)) == ("person", False, M1)


def test_a_model_that_is_promoted_twice_in_a_row_does_not_follow_itself(store):
    decide(store, "g2p", M1, E, PASSED)
    decide(store, "g2p", M2, E, PASSED)
    decide(store, "g2p", M2, E, PASSED, again=True)
    assert roll_back(store, "g2p", "complaints").model == M1


def test_nothing_can_be_rolled_back_under_a_name_without_a_model(store):
    with pytest.raises(SettingsError, match="no model is promoted as 'g2p'"):
        roll_back(store, "g2p", "why not")


def test_promotions_that_are_a_link_are_refused_and_not_followed(store, tmp_path):
    (tmp_path / "outside").mkdir()
    store.prepare()
    (store.root / "promotions").symlink_to(tmp_path / "outside")
    with pytest.raises(ArtifactError, match="promotions is a link; expected a folder"):
        promote(store, "g2p", M1, "by hand")
    assert not list((tmp_path / "outside").iterdir())


def test_a_record_that_was_altered_or_is_another_names_is_refused(store):
    promote(store, "g2p", M1, "good")
    promote(store, "p2g", M2, "good")
    path, other = (store.root / "promotions" / f"{name}.json" for name in ("g2p", "p2g"))
    written = path.read_text()
    for content in (other.read_text(), written.replace(M1, M2), written.replace('"good"', '"bad"')):
        path.write_text(content)
        with pytest.raises(ArtifactError, match=f"{path} was altered, or is another name's"):
            read_promotions(store, "g2p")
    path.write_text(written)
    assert promoted(store) == M1


def test_a_record_of_an_older_version_has_no_checksum_and_gets_one(store):
    promote(store, "g2p", M1, "good")
    path = store.root / "promotions" / "g2p.json"
    content = json.loads(path.read_text())
    assert content.pop("checksum")
    path.write_text(json.dumps(content))
    assert promoted(store) == M1
    promote(store, "g2p", M2, "better")
    assert json.loads(path.read_text())["checksum"]
