"""Promotions as a machine of states: whatever is decided in whatever order, the record says what stands and why."""

import multiprocessing
import shutil
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.promotion.gate import Verdict
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.promotions import decide, promote, read_promotions, roll_back
from tests.helpers.stored import digest

NAME = "m"
MODELS = [digest(name) for name in "abcd"]
models, holdouts = st.sampled_from(MODELS), st.sampled_from([None, digest("one"), digest("another")])


class Promotions(RuleBasedStateMachine):
    """Beside the record stands what is told of it: the models that served, one above the other, as a person sees it."""

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store(self.folder)
        self.serving = []  # the model that serves is the last; before it, what a rollback leads to
        self.decided = {}  # the last decision about a model, and whether a person took it
        self.n_decisions = 0
        self.holdout = None

    def teardown(self):
        shutil.rmtree(self.folder)

    @property
    def promoted(self):
        return self.serving[-1] if self.serving else None

    def _serves(self, model, holdout):
        if self.promoted != model:
            self.serving.append(model)
        self.holdout = self.holdout or holdout

    def _decide(self, model, passes, again, compared_with, holdout=None):
        verdict = Verdict(passes, "the gate's reason")
        return decide(
            self.store, NAME, model, digest("e"), verdict, again=again, compared_with=compared_with, holdout=holdout
        )

    @rule(model=models, passes=st.booleans(), again=st.booleans(), holdout=holdouts)
    def gate(self, model, passes, again, holdout):
        """A run's verdict, which knows of the model that serves."""
        decision, is_new = self._decide(model, passes, again, self.promoted, holdout)
        stands = self.decided.get(model)
        assert is_new == (stands is None or (again and stands[1] == "gate"))
        if not is_new:
            assert (decision.promoted, decision.by) == stands
            return
        assert decision.promoted == passes
        self.n_decisions += 1
        self.decided[model] = (passes, "gate")
        if passes:
            self._serves(model, holdout)

    @rule(model=models, other=models)
    def late_gate(self, model, other):
        """A verdict that was reached against a model which does not serve any more lets nothing serve."""
        if self.promoted in (None, model, other):
            return
        decision, is_new = self._decide(model, True, True, other)
        if is_new:
            assert not decision.promoted
            self.n_decisions += 1
            self.decided[model] = (False, "gate")

    @rule(model=models, holdout=holdouts)
    def person(self, model, holdout):
        """A person's word."""
        decision = promote(self.store, NAME, model, "I say so", holdout=holdout)
        assert (decision.promoted, decision.by) == (True, "person")
        self.n_decisions += 1
        self.decided[model] = (True, "person")
        self._serves(model, holdout)

    @rule()
    def rollback(self):
        """Back to the model before, or a refusal that changes nothing."""
        before = read_promotions(self.store, NAME)
        leads_to = before.promoted and before.before(before.promoted)
        if leads_to is None:
            with pytest.raises(SettingsError):
                roll_back(self.store, NAME, "it was worse")
            assert read_promotions(self.store, NAME) == before
            return
        again = roll_back(self.store, NAME, "it was worse")
        assert again.model == leads_to
        self.decided[before.promoted] = (False, "person")
        self.decided[leads_to] = (True, "person")
        self.n_decisions += 2
        self.serving = [*self.serving[:-1]] if len(self.serving) > 1 and self.serving[-2] == leads_to else [leads_to]

    @rule(first=models, second=models)
    def two_at_once(self, first, second):
        """Both are recorded, one after the other, and the later one serves."""
        ready = threading.Barrier(2)

        def say(model):
            ready.wait()
            return promote(self.store, NAME, model, "at once")

        with ThreadPoolExecutor(2) as pool:
            list(pool.map(say, (first, second)))
        last_two = [decision.model for decision in read_promotions(self.store, NAME).decisions[-2:]]
        assert sorted(last_two) == sorted((first, second))
        for model in last_two:
            self._serves(model, None)
            self.decided[model] = (True, "person")
        self.n_decisions += 2

    @invariant()
    def the_record_says_what_stands(self):
        record = read_promotions(self.store, NAME)
        assert record.promoted == self.promoted
        assert record.holdout == self.holdout
        assert len(record.decisions) == self.n_decisions
        assert [*record.decisions] == sorted(record.decisions, key=lambda decision: decision.at)

    @invariant()
    def the_last_decision_about_a_model_is_the_one_that_was_taken(self):
        record = read_promotions(self.store, NAME)
        last = {model: record.decision_of(model) for model in MODELS}
        assert {model: (one.promoted, one.by) for model, one in last.items() if one} == self.decided

    @invariant()
    def what_serves_was_let_serve_and_a_rollback_leads_to_another_model_that_was(self):
        record = read_promotions(self.store, NAME)
        if record.promoted is None:
            return
        assert any(one.promoted and one.model == record.promoted for one in record.decisions)
        before = record.before(record.promoted)
        assert before != record.promoted
        assert before is None or any(one.promoted and one.model == before for one in record.decisions)


TestPromotions = Promotions.TestCase
TestPromotions.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)


def _promote_many(root, model, n, ready):
    store = Store(root)
    ready.wait()
    for i in range(n):
        promote(store, NAME, model, f"{i}")


@pytest.mark.seconds
def test_processes_that_decide_at_once_lose_no_decision_and_leave_one_model_that_serves(tmp_path):
    start = multiprocessing.get_context("spawn")
    ready, n = start.Barrier(4), 10
    processes = [start.Process(target=_promote_many, args=(tmp_path, model, n, ready)) for model in MODELS]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    record = read_promotions(Store(tmp_path), NAME)
    assert len(record.decisions) == n * len(MODELS)
    for model in MODELS:
        assert [one.reason for one in record.decisions if one.model == model] == [f"{i}" for i in range(n)]
    assert record.promoted == record.decisions[-1].model
    serving = None
    for decision in record.decisions:
        assert decision.replaced != decision.model
        if decision.model != serving:
            assert decision.replaced == serving
        serving = decision.model
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".tmp"]
