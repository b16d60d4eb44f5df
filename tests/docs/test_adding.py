"""The page about adding is followed to the letter, in a copy of the project."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "adding.md").read_text()
# A place, as the page says it, and the block below it.
PLACED = re.compile(
    r"`([\w./]+)`,\s(?:a new file|below\s(`+)([^\n]+?)\2)(?:,[^\n`]*(?:\n[^\n`]+)?)?:\n\n```\w+\n(.*?)```\n", re.DOTALL
)


def section(title):
    """What the page says under a title."""
    return re.split(rf"^## {re.escape(title)}\n", PAGE, flags=re.MULTILINE)[1].split("\n## ")[0]


def placed(text):
    """Path, the line to insert below (None: a new file), and the block, of each that has a place."""
    return [(path, line or None, block) for path, _, line, block in PLACED.findall(text)]


def follow(copy, text):
    """Does what a part of the page says."""
    for path, line, block in placed(text):
        file = copy / path
        if line is None:
            assert not file.exists(), path
            file.write_text(block)
            continue
        before, after = file.read_text().split(f"\n{line}\n")
        file.write_text(f"{before}\n{line}\n{block}{after}")


@pytest.fixture
def copy(tmp_path):
    """A copy of what the project runs from, and of its tests."""
    for folder in ("flows", "tasks", "tests", "docs"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "data", tmp_path / "data", ignore=shutil.ignore_patterns("artifacts"))
    for path in (*ROOT.glob("*.md"), ROOT / "pyproject.toml", ROOT / "prefect.yaml"):
        shutil.copy(path, tmp_path)
    return tmp_path


def run(copy, *arguments):
    """What a fresh Python prints in the copy; it must succeed."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=copy, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_each_place_that_the_page_names_is_there_once():
    titles = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert len(titles) == 10
    assert sum(len(placed(section(title))) for title in titles) > 15
    for path, line, _ in placed(PAGE):
        if line is not None:
            assert (ROOT / path).read_text().count(f"\n{line}\n") == 1, line
        else:
            assert not (ROOT / path).exists(), path


def test_every_example_fits_where_the_page_puts_it(copy):
    follow(copy, PAGE)
    for path in {path for path, _, _ in placed(PAGE) if path.endswith(".py")}:
        compile((copy / path).read_text(), path, "exec")


@pytest.mark.slow
@pytest.mark.seconds
@pytest.mark.timeout(600)
def test_a_metric_and_an_attention_score_that_the_page_adds_are_used_by_a_fresh_process(copy):
    follow(copy, section("A metric"))
    follow(copy, section("An attention score"))
    tests = [
        "tests/tasks/seq2seq/metrics/test_lengths.py",
        "tests/tasks/seq2seq/metrics/test_table.py",
        "tests/tasks/seq2seq/models/test_scaled_dot.py",
        "tests/tasks/seq2seq/models/test_attention_scores.py",
        "tests/docs/test_docs.py::test_the_table_of_scores_is_that_of_the_metrics",
    ]
    run(copy, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", *tests)
    (copy / "use.py").write_text(USE)
    said = run(copy, "use.py", copy / "store")
    assert "  length right: 1\n" in said  # a synthetic problem's lengths are fixed
    assert "attended: scaled_dot" in said
    for page in ("report.html", "evaluation.json"):
        (path,) = (copy / "store" / "report").glob(f"[0-9a-f]*/{page}")
        assert "length_accuracy" in path.read_text().replace("length accuracy", "length_accuracy")
    (page,) = (copy / "store" / "report").glob("[0-9a-f]*/report.html")
    assert "Map of attention in example 1" in page.read_text()


USE = """
import sys
from pathlib import Path

from flows._cli.summary import describe_evaluation, show_evaluation
from tasks.check import check_dataset
from tasks.evaluate import evaluate_model
from tasks.export import export_model
from tasks.generate import generate_dataset
from tasks.report import write_report
from tasks.seq2seq.settings.rules import check_experiment
from tasks.storage.artifacts.bundle import read_experiment
from tasks.storage.store.promotions import Promotion
from tasks.train import train_model

store = Path(sys.argv[1])
experiment = check_experiment(
    {
        "data": {"problem": "copy", "n_in": 5, "cardinality": 9, "n_samples": 200},
        "model": {"units": 8, "embedding": 4, "attention": "scaled_dot"},
        "evaluation": {"n_samples": 20, "n_examples": 2},
    }
)
dataset = generate_dataset.fn(experiment, store)
training = train_model.fn(experiment, dataset, store)
bundle = export_model.fn(experiment, dataset, training, store)
evaluation = evaluate_model.fn(experiment, dataset, bundle, store)
show_evaluation(describe_evaluation(evaluation))
print("attended:", read_experiment(bundle).model.attention)
good = Promotion(name="copy", promoted=True, passed=True, decided_now=True, reason="good")
write_report.fn(experiment, dataset, check_dataset.fn(experiment, dataset, store), training, bundle, evaluation, good, store)
"""


EVERYTHING = (
    "A metric", "An attention score", "A data check", "A decoding method", "A problem", "A rule of the gate", "A setting",
    "A file format", "A step", "A flow",
)  # fmt: skip


@pytest.mark.seconds
def test_all_sections_together_touch_the_files_that_the_page_says_and_work(copy):
    """In processes of their own, which load no TensorFlow: what was added is there, and is used."""
    before = {path: path.read_bytes() for folder in ("flows", "tasks") for path in (copy / folder).rglob("*.py")}
    for title in EVERYTHING:
        follow(copy, section(title))
    after = {path: path.read_bytes() for folder in ("flows", "tasks") for path in (copy / folder).rglob("*.py")}
    touched = {path.relative_to(copy).as_posix() for path in after if after[path] != before.get(path)}
    assert touched == {
        path for title in EVERYTHING for path, _, _ in placed(section(title)) if path.endswith(".py")
    } - {path for title in EVERYTHING for path, _, _ in placed(section(title)) if path.startswith("tests/")}
    said = run(copy, "-c", USED_WITHOUT_TENSORFLOW)
    assert said.split("\n")[:5] == ["3 rows of ORC", "refused: only 3 sequences were evaluated, at least 10 are asked for",
                                    "short", "drawn: [2, 3, 4]", "check_data"]  # fmt: skip
    assert "check_data" in run(copy, "-m", "flows")
    assert "--evaluation.min-evaluated" in run(copy, "-m", "flows.check_data", "--help")


USED_WITHOUT_TENSORFLOW = """
import sys
import pyarrow as pa
from pyarrow import orc

orc.write_table(pa.table({"source": [[1], [2], [3]]}), "a.orc")
from tasks.storage.readers.blocks import Layout
from tasks.storage.readers.inputs import list_inputs
from tasks.storage.readers.user_files import read_blocks
from pathlib import Path

(file,) = list_inputs(Path("a.orc"))
blocks = read_blocks(file, Layout(columns=("source",), kinds=("integers",), sides=("source",)))
print(sum(len(block.rows) for block in blocks), "rows of ORC")

from tasks.seq2seq.promotion.gate import judge
from tasks.seq2seq.settings.evaluation import EvaluationSettings

scores = {"n_evaluated": 3, "sequence_accuracy": 1.0, "distinct_predictions": 3, "distinct_references": 3, "majority_baseline": 0.1}
print("refused:", judge(scores, EvaluationSettings()).reason)

from tasks.seq2seq.monitoring.data_checks import DATA_CHECKS

print(next(check.name for check in DATA_CHECKS if check.name == "short"))
import numpy as np
from tasks.seq2seq.inference.search.methods import METHODS, Search
from tasks.seq2seq.inference.search.step_function import Encoded
from tasks.seq2seq.settings.decoding import DecodingSettings

sources = np.arange(50, dtype=np.uint64)
found = METHODS["sample_of_three"].search(
    lambda fed, state, memory: (np.tile(np.float32([1, 0, 9, 9, 9]), (len(fed), 1)), state),
    Search(Encoded([np.zeros((50, 1))], []), start=0, n_steps=3, end=None, keys=sources),
    DecodingSettings(method="sample_of_three"),
)
print("drawn:", sorted(set(found.tokens.values.tolist())))
from flows._cli.commands.check_data import COMMAND

print(COMMAND.name)
assert not {"tensorflow", "keras", "prefect"} & set(sys.modules)
"""
