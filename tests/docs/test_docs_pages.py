"""The pages hang together and name nothing that is not there: links, errors, messages, numbers, words."""

import ast
import functools
import importlib
import inspect
import re
import shutil
from typing import get_args
from urllib.parse import unquote

import prefect.settings
import pytest
from pydantic import BaseModel

from tasks.reporting.batch_page import OUTCOMES
from tasks.seq2seq import errors
from tasks.seq2seq.monitoring.drift import MODERATE, SHIFTED
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.checks import CheckRule
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.promotions import promote, read_promotions
from tests.conftest import ROOT
from tests.helpers.batch_models import batch_models

DOCS = ROOT / "docs"
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text()
    for path in (*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("data/**/README.md"), *ROOT.glob("tests/**/*.md"))
    if "artifacts" not in path.parts
}
PLAIN = {name: re.sub(r"```.*?```", "", page, flags=re.DOTALL) for name, page in PAGES.items()}
CODE = "".join(path.read_text() for folder in ("flows", "tasks") for path in ROOT.glob(f"{folder}/**/*.py"))
MESSAGES = PAGES["docs/messages.md"]


def anchors(page):
    """The anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.*)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", PLAIN)
def test_every_link_of_a_page_leads_somewhere(name):
    for link in re.findall(r"\]\(([^)\s]+)\)", PLAIN[name]):
        if link.startswith(("http://", "https://")):
            continue
        place, _, anchor = unquote(link).partition("#")
        target = (ROOT / name).parent / place if place else ROOT / name
        assert target.exists(), link
        assert not anchor or anchor in anchors(target.read_text()), link


def test_the_index_names_each_page_once_and_the_readme_the_index():
    for path in DOCS.glob("*.md"):
        assert path.name == "README.md" or PAGES["docs/README.md"].count(f"({path.name})") == 1, path.name
    assert "(docs/README.md)" in PAGES["README.md"]


def test_each_error_is_in_the_guide_with_what_to_do():
    table = MESSAGES.split("| error |")[1].split("\n\n")[0]
    family = {one.__name__ for one in vars(errors).values() if inspect.isclass(one) and one is not errors.Seq2SeqError}
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == family


def test_each_message_of_the_guide_is_one_that_the_program_says():
    table = MESSAGES.split("| message |")[1]
    messages = re.findall(
        r"`([^`]+)`", " ".join(row.split("|")[1] for row in table.splitlines()[2:] if row.startswith("|"))
    )
    assert len(messages) > 10
    said = CODE + "".join(f"{state}: " for state in OUTCOMES.values())
    for message in messages:
        for piece in re.split(r"\.\.\.|KIND|REASON", message):
            for words in piece.strip(" :;,").split(": "):
                assert words in said, message


def test_each_rule_of_the_data_checks_is_in_the_guide():
    table = MESSAGES.split("| rule of the data checks |")[1]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(get_args(CheckRule))


def test_what_a_batch_says_of_files_is_in_the_guide():
    """The lines below its table, except for sums and rates."""
    for said in ("no input any more", "left out, of an unknown format", "more rejected rows than", "drift: "):
        assert said in CODE
        assert said in MESSAGES


def prefect_settings(model):
    """The variables of the environment that Prefect reads, by all their names."""
    for name, field in model.model_fields.items():
        if inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel):
            yield from prefect_settings(field.annotation)
            continue
        yield f"{model.model_config.get('env_prefix', '')}{name}".upper()
        for alias in getattr(field.validation_alias, "choices", ()):
            yield str(alias).upper()


def test_each_setting_of_prefect_that_the_pages_name_exists():
    known = set(prefect_settings(prefect.settings.Settings))
    named = {name for page in PAGES.values() for name in re.findall(r"\bPREFECT_\w+", page)}
    assert "PREFECT_SERVER_API_AUTH_STRING" in named
    assert named - known == set()


@pytest.mark.parametrize(
    ("page", "words", "module", "name"),
    [
        ("own-data", "({:,} steps where", "tasks.storage.ingest.row_rules", "LONGEST"),
    ],
)
def test_a_number_of_the_pages_is_that_of_the_code(page, words, module, name):
    said = " ".join(PAGES[f"docs/{page}.md"].split())
    assert words.format(getattr(importlib.import_module(module), name)) in said


def test_the_numbers_of_drift_and_chunks_are_those_of_the_code():
    words = PAGES["docs/glossary.md"]
    assert f"From {MODERATE} moderate, from {SHIFTED} shifted" in words
    assert f"{BatchSettings.model_fields['chunk_rows'].default:,} rows" in PAGES["docs/decisions.md"]
    asyncpg = re.search(r"`asyncpg` ([0-9.]+[0-9])", PAGES["docs/operations.md"])[1]
    assert f"asyncpg=={asyncpg} " in (ROOT / "requirements.lock").read_text()


def test_each_word_of_the_glossary_is_used_elsewhere_and_they_are_in_order():
    page = PAGES["docs/glossary.md"]
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", page, re.MULTILINE)[1:]
    words = [row for row in rows if not row.startswith("---")]
    assert len(words) > 30
    assert words == sorted(words, key=str.lower)
    elsewhere = " ".join(text for name, text in PAGES.items() if name != "docs/glossary.md") + CODE
    elsewhere = " ".join(elsewhere.lower().split())
    for word in words:
        for one in re.split(r", | and (?=target)", word):
            assert one.lower() in elsewhere, one


PYTHON = [  # those of docs/adding.md are put into a copy of the project by a test of its own
    (name, block)
    for name, page in PAGES.items()
    if name != "docs/adding.md"
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store in which a model of integers serves under the tutorial's name, whose symbols it does not know."""
    store = tmp_path_factory.mktemp("documented") / "store"
    shutil.copytree(batch_models(tmp_path_factory).need("integers"), store)
    integers = read_promotions(Store(store), "integers")
    assert integers.promoted is not None
    (store / "promotions" / "integers.json").unlink()
    promote(Store(store), "reverse_first", integers.promoted, "for the examples", holdout=integers.holdout)
    return store


# What trains a model of its own besides, on docs/python.md, is run with the main job's tests.
PREDICT = [(name, block) for name, block in PYTHON if "load_predictor" in block and "train_and_eval" not in block]


@pytest.mark.parametrize(("name", "block"), PREDICT)
def test_each_example_with_a_predictor_runs(name, block, store, monkeypatch, capsys):
    import tasks.predict

    monkeypatch.setattr(tasks.predict, "load_predictor", functools.partial(tasks.predict.load_predictor, store=store))
    exec(compile(block, name, "exec"), {})  # noqa: S102 - our own page
    (answers,) = [ast.literal_eval(line) for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert len(answers) == 1


@pytest.mark.parametrize(("name", "block"), PYTHON)
def test_each_example_in_python_is_python_and_its_imports_are_there(name, block):
    for line in ast.parse(block).body:
        if isinstance(line, ast.ImportFrom):
            assert line.module is not None
            module = importlib.import_module(line.module)
            assert all(hasattr(module, one.name) for one in line.names)
