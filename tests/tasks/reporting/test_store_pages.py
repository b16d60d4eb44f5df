"""The index of a store: what serves, how it came to that, and links that lead somewhere from wherever the store lies."""

import json
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

from tasks.reporting.pipeline_picture import Box, draw_pipeline
from tasks.reporting.store_pages import FOLDER, INDEX, LEADERBOARD, make_pages
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.promotion.gate import Verdict
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.making import Made, StepInputs
from tasks.storage.store.promotions import decide
from tests.helpers.chains import age


def put(store, kind, n, made_from, *, days, **facts):
    def write(folder):
        (folder / f"{kind}.html").write_text(f"the page of {kind} {n}")
        return Made(facts)

    step = StepInputs(kind, {"n": n}, made_from, {"name": "g2p", "model": {"units": n}}, {})
    with store.lock(step):
        handle = store.make(step, write)
    age(handle, days)
    return handle


@pytest.fixture
def root(tmp_path):
    """A store of two models on one dataset, the first of which serves, as the second was refused."""
    store = Store(tmp_path / "a store")
    dataset = put(store, "dataset", 0, {"train": "f" * 64}, days=9)
    for n, (score, passed) in enumerate([(0.75, True), (0.5, False)], 1):
        training = put(store, "training", n, {"dataset": dataset.digest}, days=9 - n)
        bundle = put(
            store, "bundle", n, {"dataset": dataset.digest, "training": training.digest}, days=9 - n, parameters=9
        )
        judged = {"dataset": dataset.digest, "bundle": bundle.digest}
        scores = {"sequence_accuracy": score, "sequence_accuracy_interval": [score - 0.1, score + 0.1]}
        evaluation = put(store, "evaluation", n, judged, days=9 - n, scores=scores)
        put(store, "report", n, {**judged, "evaluation": evaluation.digest}, days=9 - n, page="report.html")
        verdict = Verdict(passed=passed, reason=f"because <{n}>")
        decide(store, "g2p", bundle.digest, evaluation.digest, verdict, again=True, compared_with=None, holdout=None)
    put(store, "sweep", 0, {"bundle": bundle.digest}, days=1, page="sweep.html")
    return store.root


def links(page):
    return [unquote(link) for link in re.findall(r'href="([^"]+)"', page)]


def test_the_index_says_what_serves_and_every_decision_with_its_score_and_reason(root):
    page = make_pages(Store(root), ())[INDEX]
    rows = re.findall(r"<tr><td>.*?</tr>", page, re.DOTALL)
    assert [("0.5 (0.4 to 0.6)" in row, "refused" in row) for row in rows] == [(True, True), (False, False)]
    assert "because &lt;2&gt;" in rows[0]
    assert "0.75 (0.65 to 0.85)" in rows[1]
    assert re.search(r"Serves: <code>\w{16}</code>, sequence accuracy 0.75", page)
    assert "Chart of the sequence accuracy of 2 in their order" in page


def test_every_link_leads_somewhere_also_where_the_store_was_moved(root, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    counts = {"read": 3000, "predicted": 2, "rejected": 1, "failed": 0}
    (out / "_run.json").write_text(json.dumps({"model": {"name": "g2p", "digest": "a" * 64}, **counts}))
    (out / "_report.html").write_text("")
    pages = make_pages(Store(root), [out])
    (root / FOLDER).mkdir()
    for name, page in pages.items():
        (root / FOLDER / name).write_text(page)
    found = links(pages[INDEX])
    assert [link for link in found if not (root / FOLDER / link).is_file()] == []
    assert "3,000" in pages[INDEX]
    moved = Path(shutil.move(root, tmp_path / "elsewhere"))
    assert links(pages[LEADERBOARD]) == []
    inside = [link for link in found if not link.startswith("../../")]
    assert len(inside) == len(found) - 1
    assert all((moved / FOLDER / link).resolve().is_relative_to(moved) for link in inside)


def test_the_pipeline_shows_what_an_earlier_run_had_made(root):
    page = make_pages(Store(root), ())[INDEX]
    assert "dataset, made, of" in page  # of the model that serves, which was the first on this data
    drawn = draw_pipeline(
        [Box("dataset", "ab", "Monday", is_cached=True), Box("training", "cd", "Tuesday", is_cached=False)]
    )
    assert drawn.alt == "Steps from left to right: dataset, found, of Monday; training, made, of Tuesday."
    assert str(drawn.inline()).count("stroke-dasharray") == 1


def test_an_empty_store_has_an_index_that_says_what_makes_a_model(tmp_path):
    assert "No model was decided upon yet" in make_pages(Store(tmp_path / "none"), ())[INDEX]


def test_a_folder_without_predictions_is_refused(root, tmp_path):
    with pytest.raises(SettingsError, match="holds no predictions"):
        make_pages(Store(root), [tmp_path])
