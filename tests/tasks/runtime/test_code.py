import ast
import contextlib
import gc
import shutil
import sys
import threading
from pathlib import Path

import grimp
import pytest

from tasks.runtime.caching import values_of
from tasks.runtime.code import LEFT_OUT, ROOT, CodeTree, Import, code_digest, read_source
from tasks.seq2seq.settings.data import FilesData, SyntheticData
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.model import ModelSettings

STEPS = ("generate", "check", "train", "export", "export_onnx", "evaluate", "compare", "report", "predict_batch")
CODE = '"""What it does."""\n\ndef double(x):\n    return 2 * x\n'


@pytest.mark.parametrize(
    "text",
    [
        CODE + "# a comment\n",
        CODE.replace("\n\n", "\n\n\n\n"),
        CODE.replace("2 * x", "2  *x  # twice"),
        CODE.replace("    return", "  return"),
        CODE.replace("(x)", "(\n    x\n)"),
    ],
    ids=["comment", "blank lines", "blanks", "indentation", "line breaks"],
)
def test_comments_and_layout_do_not_count_as_code(text):
    assert read_source(text).digest == read_source(CODE).digest


@pytest.mark.parametrize(
    "text",
    [CODE.replace("2 * x", "3 * x"), CODE.replace("double", "twice"), CODE + "A = 1\n"],
    ids=["value", "name", "more"],
)
def test_a_change_of_code_counts(text):
    assert read_source(text).digest != read_source(CODE).digest


def test_where_a_block_ends_counts():
    inside, behind = "if a:\n    b()\n    c()\n", "if a:\n    b()\nc()\n"
    assert read_source(inside).digest != read_source(behind).digest


IMPORTS = """
import a
import b.c as d, e
from f.g import h, i as j
from k import (
    l,  # said
    m as n,
)
if TYPE_CHECKING:
    from o import p
    if q:
        import r
def function():
    from s import t
"import u"
"""


def test_imports_count_wherever_they_are_but_those_for_the_type_checker():
    assert read_source(IMPORTS).imports == (
        Import("a"),
        Import("b.c"),
        Import("e"),
        Import("f.g", ("h", "i")),
        Import("k", ("l", "m")),
        Import("s", ("t",)),
    )


class _Garbage:
    """What runs Python code when it is collected, wherever that happens."""

    def __init__(self):
        self.itself = self

    def __del__(self):
        for _ in range(50):
            pass


def test_code_is_digested_while_another_thread_makes_syntax_trees():
    """As imports may; CPython before 3.11.8 and 3.12.2 then fails to make one."""
    source = (ROOT / "tasks/runtime/caching.py").read_text()
    has_ended = threading.Event()

    def make_trees():
        while not has_ended.is_set():
            _ = [_Garbage() for _ in range(20)]
            with contextlib.suppress(SystemError):
                ast.parse(source)

    other = threading.Thread(target=make_trees)
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(1e-5)
    gc.set_threshold(50)
    other.start()
    try:
        digests = set()
        for _ in range(10):
            _ = [_Garbage() for _ in range(20)]
            digests.add(CodeTree().digest("tasks.seq2seq.data.codecs"))
    finally:
        has_ended.set()
        other.join()
        sys.setswitchinterval(interval)
        gc.set_threshold(*threshold)
    assert len(digests) == 1


@pytest.fixture(scope="module")
def graph():
    """The imports of all modules as another program reads them, without what no key covers."""
    found = grimp.build_graph("tasks", exclude_type_checking_imports=True, cache_dir=None)
    for module in found.modules:
        if any(module == out or module.startswith(f"{out}.") for out in LEFT_OUT):
            found.remove_module(module)
    return found


def all_modules():
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in (ROOT / "tasks").rglob("*.py")
        if path.name != "__init__.py"
    )


def test_a_changed_line_of_any_module_changes_the_digests_of_the_steps_that_import_it_and_no_others(graph, tmp_path):
    """Of all modules in turn, held against the graph of imports as import-linter sees it."""
    shutil.copytree(ROOT / "tasks", tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    shared = CodeTree(tmp_path)
    before = {step: shared.digest(f"tasks.{step}") for step in STEPS}
    reached = {step: {f"tasks.{step}", *graph.find_upstream_modules(f"tasks.{step}")} for step in STEPS}
    for module in all_modules():
        path = tmp_path.joinpath(*module.split(".")).with_suffix(".py")
        text = path.read_text()
        path.write_text(text + "\nA_LINE_MORE = 1\n")
        shared.forget(path)
        changed = {step for step in STEPS if shared.digest(f"tasks.{step}") != before[step]}
        assert changed == {step for step in STEPS if module in reached[step]}, module
        path.write_text(text)
        shared.forget(path)


def test_a_template_counts_for_the_step_that_names_it(tmp_path):
    shutil.copytree(ROOT / "tasks", tmp_path / "tasks", ignore=shutil.ignore_patterns("__pycache__"))
    code = CodeTree(tmp_path)
    before = {step: code.digest(f"tasks.{step}") for step in STEPS}
    page = tmp_path / "tasks/reporting/report.html.jinja"
    page.write_text(page.read_text() + " ")
    code.forget(page)
    assert {step for step in STEPS if code.digest(f"tasks.{step}") != before[step]} == {"report"}


def test_the_code_of_the_report_is_in_no_key_of_data_or_models():
    """Editing the report retrains nothing."""
    code = CodeTree()
    for step in ("generate", "train", "export", "evaluate"):
        assert not [name for name in code.reach(f"tasks.{step}") if "report" in name]


def test_the_gate_is_in_no_key_of_models():
    """Another rule of promotion retrains nothing."""
    code = CodeTree()
    for step in ("train", "export", "evaluate"):
        assert "tasks.seq2seq.promotion.gate" not in code.reach(f"tasks.{step}")


def test_a_module_that_is_not_there_has_no_digest():
    with pytest.raises(KeyError):
        code_digest("tasks.nothing")


@pytest.mark.parametrize(
    ("section", "computed"),
    [
        (ModelSettings(layers=2, bidirectional=True), {"decoder_depth": 2, "memory_width": 256, "copies_state": False}),
        (SyntheticData(), {"dimensions": Experiment().data.dimensions}),
        (FilesData(train=Path("a.csv"), history=3, horizon=1), {"is_series": True, "target_columns": ("source",)}),
    ],
)
def test_what_settings_compute_is_in_a_key_by_its_value(section, computed):
    """Their code is in none."""
    values = values_of(section, ("places",))
    assert {name: values[name] for name in computed} == computed
    assert set(section.model_dump()) <= set(values)


def test_settings_that_keys_hold_compute_by_properties_alone():
    """So that `values_of` sees all of it; what gives words for a message is named here."""
    words = {"embedding_of"}
    experiment = Experiment()
    for section in (experiment.data, experiment.model, experiment.training, experiment.decoding, experiment.evaluation):
        methods = {name for name, member in vars(type(section)).items() if callable(member) and name[0] != "_"}
        assert methods - {"model_post_init"} <= words
