"""What a clean-up takes out of a store, and what it leaves whatever it is asked."""

import os
import time

import pytest

from tasks.seq2seq.errors import ArtifactError
from tasks.storage.files.atomic import aside, locked
from tasks.storage.store import prune as pruning
from tasks.storage.store import use
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.inventory import take_inventory
from tasks.storage.store.making import Making
from tasks.storage.store.prune import Rules, plan_pruning, prune
from tests.helpers.chains import age, chain, index_of, put, serve, there
from tests.helpers.stored import listing

ALL = Rules(older_than=0)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


@pytest.fixture(autouse=True)
def let_go():
    """What this process opened while it made a store is held till it ends: here, till its store is made."""
    yield
    release()


def release():
    while use._HELD:
        os.close(use._HELD.popitem()[1])


def gone(plan):
    return [one.stored.digest for one in plan.removed if one.stored]


def test_without_a_rule_no_artifact_goes(store):
    made = chain(store)
    release()
    assert prune(store, Rules()).removed == []
    assert all(there(*made))


def test_a_plan_says_what_a_clean_up_removes_and_changes_nothing(store):
    chain(store)
    served = chain(store, 1)
    serve(store, served)
    release()
    before = listing(store.root)
    plan = plan_pruning(store, ALL)
    assert listing(store.root) == before
    assert {one.path for one in plan.going} == {one.path for one in prune(store, ALL).removed}
    assert plan.bytes_before > sum(one.bytes for one in plan.going) > 6 * 1000


def test_what_serves_stays_with_what_it_was_made_from_what_proves_it_and_what_a_rollback_leads_to(store):
    first, former, served, other = (chain(store, n) for n in range(4))
    for made in (former, served):
        serve(store, made)
    release()
    prune(store, ALL)
    for made in (former, served):
        assert there(made.dataset, made.training, made.bundle) == [True] * 3
    assert there(served.evaluation, served.report, served.checks) == [True, False, False]
    assert not any(there(*first, *other))


def test_what_models_are_compared_by_stays_with_its_dataset(store):
    made = chain(store)
    holdout = put(store, "holdout", "pairs", {"dataset": made.dataset.digest})
    another = put(store, "holdout", "other pairs", {})
    serve(store, made, holdout=holdout)
    release()
    prune(store, ALL)
    assert there(holdout, made.dataset, another) == [True, True, False]


def test_origins_of_what_stays_go_only_if_that_is_said(store):
    made = chain(store)
    serve(store, made)
    release()
    assert (made.dataset.digest, "something that stays was made from it") in [
        (one.digest, reason) for one, reason in plan_pruning(store, ALL).staying
    ]
    prune(store, Rules(older_than=0, keep_origins=False))
    assert there(made.bundle, made.evaluation, made.dataset, made.training) == [True, True, False, False]
    store.open("bundle", made.bundle.digest)


def test_what_is_older_goes_and_what_is_younger_stays(store):
    old, young = chain(store, 0, days=10), chain(store, 1, days=8)
    release()
    plan = prune(store, Rules(older_than=9))
    assert {*gone(plan)} == {one.digest for one in old}
    assert all(there(*young))
    assert {one.reason for one in plan.removed} == {"older than 9 days"}


def test_the_index_and_the_locks_of_what_went_go_too_and_the_step_is_made_again(store):
    old, young = chain(store, 0, days=10), chain(store, 1)
    release()
    prune(store, Rules(older_than=9))
    assert [
        path.exists()
        for path in (index_of(store, young.bundle), store.root / "locks" / index_of(store, young.bundle).stem)
    ] == [True] * 2
    assert len(list(store.root.glob("keys/*"))) == len(list(store.root.glob("locks/*-" + "?" * 64))) == len(young)
    assert [one.digest for one in chain(store, 0)] == [one.digest for one in old]


def test_of_each_name_the_newest_models_stay_with_all_that_is_theirs(store):
    made = [chain(store, n, days=10 - n) for n in range(4)]
    other = chain(store, 0, name="dates", days=20)
    serve(store, made[0])
    release()
    prune(store, Rules(keep_models=2))
    assert [all(there(*one)) for one in (*made, other)] == [True, False, True, True, True]
    assert not any(there(*made[1]))


def test_a_dataset_of_which_one_model_stays_does_not_go_with_the_others(store):
    old = chain(store, 0, days=5)
    new = chain(store, 1, dataset=old.dataset)
    release()
    prune(store, Rules(keep_models=1))
    assert all(there(*new))
    assert there(old.dataset, old.checks) == [True, True]
    assert not any(there(old.training, old.bundle, old.evaluation, old.report))


def test_a_model_that_the_one_that_serves_was_started_from_stays(store):
    first = chain(store, 0, days=5)
    second = chain(store, 1, start=first.bundle)
    serve(store, second)
    release()
    prune(store, Rules(keep_models=0))
    assert all(there(first.bundle, first.training, first.dataset))
    assert not any(there(first.evaluation, first.report))


def test_a_store_becomes_small_by_its_oldest_models_whole(store):
    old, middle, served = (chain(store, n, days=10 - n) for n in range(3))
    serve(store, served)
    release()
    whole = plan_pruning(store, Rules()).bytes_before
    plan = prune(store, Rules(max_bytes=whole - 1))
    assert len(gone(plan)) == 1
    assert gone(plan)[0] in (old.checks.digest, old.report.digest)
    prune(store, Rules(max_bytes=whole * 7 // 10))
    assert there(old.dataset, *middle) == [False, *[True] * 6]
    prune(store, Rules(max_bytes=0))
    assert all(there(served.bundle, served.training, served.dataset, served.evaluation))
    assert not any(there(*old, *middle))


def test_what_no_step_finds_any_more_goes_and_an_imported_bundle_does_not(store, tmp_path):
    elsewhere = chain(Store(tmp_path / "elsewhere"), 7)
    imported = store.adopt(elsewhere.bundle.path, "bundle")
    first, second = chain(store, 0), chain(store, 1)
    index = index_of(store, first.report)
    step = index.read_text()
    newer = put(store, "report", "newer", {})
    # As if the step of the first report had made the newer one.
    making = Making.model_validate_json(step).model_copy(update={"digest": newer.digest})
    index.write_text(making.sealed().model_dump_json())
    release()
    assert gone(prune(store, Rules(replaced=True))) == [first.report.digest]
    assert all(there(*second, newer, imported))


def test_what_a_running_process_has_opened_stays_with_what_it_was_made_from_until_that_ends(store, start_python):
    made, other = chain(store, 0), chain(store, 1)
    release()
    process = start_python(
        """
        import pathlib, sys, time
        from tasks.storage.store.artifact_store import Store
        Store(pathlib.Path(sys.argv[1])).open("bundle", sys.argv[2])
        print("opened", flush=True)
        time.sleep(600)
        """,
        store.root,
        made.bundle.digest,
    )
    assert process.stdout.readline() == "opened\n"
    plan = prune(store, ALL)
    assert (made.bundle.digest, "a running process has opened it") in [(one.digest, why) for one, why in plan.staying]
    assert there(made.dataset, made.training, made.bundle, made.evaluation) == [True, True, True, False]
    assert not any(there(*other))
    process.kill()
    process.wait()
    prune(store, ALL)
    assert not any(there(*made))


def test_what_this_process_has_made_is_in_use_until_it_ends(store):
    made = chain(store)
    assert gone(prune(store, ALL)) == []
    assert all(there(*made))


def test_what_came_to_serve_or_was_made_from_after_the_plan_stays(store, monkeypatch):
    served, origin, other = (chain(store, n) for n in range(3))
    release()
    plan = plan_pruning(store, ALL)
    assert len(plan.going) == 18
    made = []

    def plan_and_wait(*_):
        serve(store, served)
        made.append(put(store, "evaluation", "new", {"bundle": origin.bundle.digest}))
        release()
        return plan

    known = take_inventory(store)
    monkeypatch.setattr(pruning, "plan_pruning", plan_and_wait)
    monkeypatch.setattr(pruning, "take_inventory", lambda _: known)
    after = prune(store, ALL)
    assert there(served.bundle, served.evaluation, origin.bundle, made[0]) == [True] * 4
    assert not any(there(*other))
    assert {"it serves as 'g2p'", "something was made from it meanwhile"} <= {why for _, why in after.staying}


def test_a_clean_up_is_refused_where_nobody_knows_what_serves(store):
    made = chain(store)
    serve(store, made)
    release()
    (store.root / "promotions" / "g2p.json").write_text("{")
    with pytest.raises(ArtifactError, match="cannot be read as a record of promotions"):
        prune(store, ALL)
    assert all(there(*made))


def test_a_damaged_artifact_can_go_and_harms_no_other(store):
    made, damaged = chain(store, 0), chain(store, 1)
    age(made.bundle, 5)
    (damaged.report.path / "manifest.json").write_text("{")
    os.utime(damaged.report.path, (time.time() - 99 * 86_400,) * 2)
    release()
    assert gone(prune(store, Rules(older_than=50))) == [damaged.report.digest]


def test_what_killed_runs_left_goes_and_a_checkpoint_only_after_a_while(store):
    made = chain(store)
    key = index_of(store, made.training).stem.rpartition("-")[2]
    old, young = (store.root / "training" / f".checkpoint-{k}" for k in (key, "0" * 64))
    left = aside(store.root / "training" / "making-x")
    for folder in (old, young, left):
        folder.mkdir()
        (folder / "a").write_text("12345")
    os.utime(old, (time.time() - 8 * 86_400,) * 2)
    assert [(one.what, one.bytes) for one in plan_pruning(store, Rules()).going] == [
        ("left over", 5),
        ("checkpoint", 5),
    ]
    with locked(store.root / "locks" / f"training-{key}"):
        assert [one.what for one in prune(store, Rules()).removed] == ["left over"]
    prune(store, Rules())
    assert [folder.exists() for folder in (old, young, left)] == [False, True, False]
