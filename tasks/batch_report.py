"""What a batch prediction did: the accounts, the scores, and how the day's rows differ from the training data."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from prefect import task
from prefect.artifacts import create_link_artifact, create_markdown_artifact, create_table_artifact

from tasks.prediction.jobs import BatchModel, Job, describe_jobs, find_model, training_baseline
from tasks.runtime.caching import TASK_OPTIONS
from tasks.seq2seq.metrics.table import rates
from tasks.seq2seq.monitoring.drift import DayProfile, Shift, compare
from tasks.seq2seq.monitoring.tally import Scored, add_scored
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.storage.files.atomic import write_atomically
from tasks.storage.outputs.accounts import PICTURE, Account, list_accounts
from tasks.storage.outputs.output_paths import list_ignored
from tasks.storage.store.artifact_store import Store
from tasks.storage.store.manifest import short

RUN, PAGE = "_run.json", "_report.html"
SHOWN_PICTURES = 4
SHOWN_FILES = 200  # in the page and in Prefect's UI; `_run.json` has them all

Batch = dict[str, Any]


@task(name="write batch report", task_run_name="report {settings.title}", **TASK_OPTIONS)
def write_batch(
    jobs: list[Job], settings: BatchSettings, store: Path, checks: Sequence[Mapping[str, str]] = ()
) -> Batch:
    """Writes `_run.json` and `_report.html` into the output folder; gives what the former holds, and where they are."""
    batch = {**describe(jobs, settings, Store(store)), "checks": list(checks)}
    write_atomically(settings.output / RUN, json.dumps(batch, indent=1))
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "reporting"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["short"] = short
    page = environment.get_template("batch_report.html.jinja").render(
        batch=batch,
        files=batch["files"][:SHOWN_FILES],
        n_more=max(0, len(batch["files"]) - SHOWN_FILES),
        said=SAID,
        scores=dict(score_rows(batch)),
        pictures=find_pictures(batch),
    )
    write_atomically(settings.output / PAGE, page)
    return {**batch, "report": str(settings.output / PAGE)}


@task(name="publish batch report", task_run_name="publish predictions of {batch[model][name]}", **TASK_OPTIONS)
def publish_batch(batch: Batch) -> None:
    """Shows the run, the account of each file, and where all of it lies, as artifacts of the run in Prefect's UI."""
    where = f"Predictions in `{batch['output']}`"
    create_markdown_artifact(as_markdown(batch), key="batch-predict", description=where)
    create_table_artifact(as_table(batch), key="batch-predict-accounts", description=f"Account of each file. {where}")
    for key, path in (("batch-predict-page", Path(batch["report"])), ("batch-predict-output", Path(batch["output"]))):
        create_link_artifact(path.absolute().as_uri(), link_text=path.name, key=key, description=f"On disk: `{path}`")


def describe(jobs: list[Job], settings: BatchSettings, store: Store) -> Batch:
    """The output folder as it now is, and what the run did. It holds no times, so that runs can be compared."""
    model = find_model(settings, store)
    accounts = {job.name: job.account for job in jobs if job.account}
    new = [job.account for job in jobs if job.account and job.action == "predict"]
    shifts = find_shifts(new, model, settings, store)
    names = {job.name for job in jobs}
    limit = settings.max_reject_rate
    return {
        "model": {"name": model.name, "digest": model.bundle.digest},
        "dataset": model.dataset,
        "decoding": model.decoding.model_dump(mode="json"),
        "output": str(settings.output),
        "files": describe_jobs(jobs),
        **{name: sum(job.action == action for job in jobs) for name, action in _STATES.items()},
        **{name: sum(getattr(account, name) for account in accounts.values()) for name in _COUNTED},
        "above_reject_rate": [
            name for name, account in accounts.items() if limit is not None and account.rejected > limit * account.read
        ],
        "scored": _scored(accounts.values()),
        "scored_now": _scored(new),
        "drift": [shift._asdict() for shift in shifts],
        "shifted": any(shift.verdict == "shifted" for shift in shifts),
        "outputs_without_input": sorted(set(list_accounts(settings.output)) - names),
        "files_of_other_formats": list_ignored(settings),
    }


_STATES = {"predicted_files": "predict", "kept_files": "keep", "waiting_files": "wait", "failed": "fail"}
_COUNTED = ("read", "predicted", "history_only", "rejected")


def _scored(accounts: Any) -> dict[str, Any] | None:  # noqa: ANN401 - any accounts
    total: Scored = None
    for account in accounts:
        total = add_scored(total, account.tally.scored)
    return rates(total) if total else None


def find_shifts(accounts: list[Account], model: BatchModel, settings: BatchSettings, store: Store) -> list[Shift]:
    """How the rows that were predicted now differ from the training data."""
    if not accounts:
        return []
    day = DayProfile()
    for account in accounts:
        day += account.tally.day
    read, rejected = (sum(getattr(account, name) for account in accounts) for name in ("read", "rejected"))
    return compare(training_baseline(model, store), day.with_rows(read, rejected), threshold=settings.drift_threshold)


def find_pictures(batch: Batch) -> dict[str, str]:
    """The first pictures of encoder states, by the name of their input, as URIs that a page can hold."""
    outputs = [(file["name"], name) for file in batch["files"] for name in file.get("outputs", ())]
    drawn = {input_name: name for input_name, name in outputs if name == f"{input_name}{PICTURE}"}
    return {
        input_name: f"data:image/png;base64,{base64.b64encode((Path(batch['output']) / name).read_bytes()).decode()}"
        for input_name, name in itertools.islice(drawn.items(), SHOWN_PICTURES)
    }


def describe_shifts(batch: Batch) -> str:
    """What shifted, in a line for a person who is not looking at the report."""
    shifted = [f"{shift['name']} (PSI {shift['psi']:.2f})" for shift in batch["drift"] if shift["verdict"] == "shifted"]
    return f"rows differ from the training data: {', '.join(shifted)}"


def as_table(batch: Batch) -> list[dict[str, Any]]:
    """The account of each file, a row each."""
    return [
        {
            "file": file["name"],
            "state": SAID[file["state"]],
            **{name: file.get(name) for name in ("read", "predicted", "rejected")},
            "why": file["reason"],
        }
        for file in batch["files"][:SHOWN_FILES]
    ]


def as_markdown(batch: Batch) -> str:
    """The run as Prefect's UI shows it."""
    return "\n".join(_markdown(batch))


def _markdown(batch: Batch) -> Iterator[str]:
    yield f"# {batch['predicted']:,} of {batch['read']:,} rows predicted, {batch['rejected']:,} rejected"
    yield f"Model {batch['model']['name'] or ''} `{short(batch['model']['digest'])}`, output in `{batch['output']}`."
    yield from ("", "| file | | read | predicted | rejected | |", "|---|---|---|---|---|---|")
    for file in batch["files"][:SHOWN_FILES]:
        numbers = " | ".join(f"{file[name]:,}" if name in file else "" for name in ("read", "predicted", "rejected"))
        yield f"| `{_cell(file['name'])}` | {SAID[file['state']]} | {numbers} | {_cell(file['reason'])} |"
    if len(batch["files"]) > SHOWN_FILES:
        yield f"\n{len(batch['files']) - SHOWN_FILES:,} more files are in `{RUN}`."
    if batch["checks"]:
        yield from ("", "| check of the first rows | | |", "|---|---|---|")
        yield from (f"| {found['rule']} | {found['level']} | {_cell(found['said'])} |" for found in batch["checks"])
    if pictures := find_pictures(batch):
        yield from ("", "## Encoder states", "")
        yield from (f"`{_cell(name)}`\n\n![encoder states]({uri})\n" for name, uri in pictures.items())
    if batch["scored"]:
        yield from ("", "## Scores", "", "| score | |", "|---|---|")
        yield from (f"| {name} | {value} |" for name, value in score_rows(batch))
    if batch["drift"]:
        yield from (
            "",
            "## Drift against the training data",
            "",
            "| what | PSI | then | now | |",
            "|---|---|---|---|---|",
        )
        for shift in batch["drift"]:
            yield f"| {shift['name']} | {shift['psi']:.3f} | {shift['before']} | {shift['now']} | {shift['verdict']} |"


def score_rows(batch: Batch) -> Iterator[tuple[str, str]]:
    """Names and values of the scores as a person reads them."""
    for name, value in (batch["scored"] or {}).items():
        numbers = value if isinstance(value, list | tuple) else [value]
        said = [
            "none" if number is None else f"{number:,.4g}" if isinstance(number, float) else f"{number:,}"
            for number in numbers
        ]
        yield name.replace("_", " "), " to ".join(said)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


SAID = {"predict": "predicted", "keep": "unchanged", "wait": "waiting", "fail": "FAILED"}
