"""The page about a batch prediction, and the same in short for Prefect."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tasks.reporting.forecast_pictures import draw_forecast
from tasks.reporting.pages import cell, html_pages
from tasks.reporting.svg import Picture
from tasks.reporting.wording import join_words, name_of_field, write_count, write_score
from tasks.seq2seq.metrics.table import NOTHING_TO_SCORE
from tasks.seq2seq.shown import shown
from tasks.storage.outputs.accounts import PICTURE, Account
from tasks.storage.store.manifest import short

RUN, PAGE = "_run.json", "_report.html"
SHOWN_PICTURES = SHOWN_FORECASTS = 4
SHOWN_FILES = 200  # in the page and in Prefect's UI; `_run.json` has them all

Batch = dict[str, Any]


def render_page(batch: Batch, forecasts: Sequence[Picture] = ()) -> str:
    """The page as HTML, self-contained, with pictures of some forecasts where there are any."""
    environment = html_pages()
    environment.filters["short"] = short
    return environment.get_template("batch_report.html.jinja").render(
        batch=batch,
        files=batch["files"][:SHOWN_FILES],
        n_more=max(0, len(batch["files"]) - SHOWN_FILES),
        outcomes=OUTCOMES,
        unscored=UNSCORED,
        scores=[(name_of_field(name), write_score(name, value)) for name, value in _scores(batch)],
        why=why,
        summary=summary_of(batch),
        drift=drift_rows(batch),
        pictures=find_pictures(batch),
        forecasts=forecasts,
    )


def why(file: Batch) -> str:
    """Why a file was done so: of one that was predicted, what it was before, which is true no more."""
    if file["state"] != "predict":
        return str(file["reason"])
    return "it was new" if file["reason"] == "not predicted yet" else f"before: {file['reason']}"


def summary_of(batch: Batch) -> str:
    """What the run did, in a sentence."""
    done = [
        f"{write_count(batch['predicted_files'], 'file')} predicted now",
        f"{batch['kept_files']:,} unchanged",
        *([f"{batch['waiting_files']:,} waiting for a next run"] if batch["waiting_files"] else []),
        *([f"{batch['failed']:,} failed"] if batch["failed"] else []),
    ]
    return f"{join_words(done)}."


def drift_rows(batch: Batch) -> list[dict[str, str]]:
    """How the rows differ from the training data, in words."""
    return [
        {
            "name": name_of_field(shift["name"]),
            "psi": f"{shift['psi']:.3f}",
            "before": shift["before"],
            "now": shift["now"],
            "verdict": VERDICTS[shift["verdict"]],
        }
        for shift in batch["drift"]
    ]


VERDICTS = {
    "stable": "as in training",
    "moderate": "somewhat different",
    "shifted": "different",
    "too few rows": "too few rows to tell",
}


def describe_shifts(batch: Batch) -> str:
    """What shifted, in a line for a person who is not looking at the report."""
    shifted = [f"{shift['name']} (PSI {shift['psi']:.2f})" for shift in batch["drift"] if shift["verdict"] == "shifted"]
    return f"rows differ from the training data: {', '.join(shifted)}"


def find_pictures(batch: Batch) -> dict[str, str]:
    """The first pictures of encoder states, by the name of their input, as URIs that a page can hold."""
    outputs = [(file["name"], name) for file in batch["files"] for name in file.get("outputs", ())]
    drawn = {input_name: name for input_name, name in outputs if name == f"{input_name}{PICTURE}"}
    return {
        input_name: f"data:image/png;base64,{base64.b64encode((Path(batch['output']) / name).read_bytes()).decode()}"
        for input_name, name in itertools.islice(drawn.items(), SHOWN_PICTURES)
    }


def draw_forecasts(accounts: Iterable[Account]) -> list[Picture]:
    """Pictures of the first forecasts of series, one a file before a second one of any."""
    by_rank = itertools.zip_longest(*([(account.name, one) for one in account.forecasts] for account in accounts))
    found = [one for rank in by_rank for one in rank if one is not None][:SHOWN_FORECASTS]
    return [
        draw_forecast({**forecast, "which": " of ".join(filter(None, (forecast["which"], name)))})
        for name, forecast in found
    ]


def as_table(batch: Batch) -> list[dict[str, Any]]:
    """The account of each file, a row each."""
    return [
        {
            "file": shown(file["name"]),
            "state": OUTCOMES[file["state"]],
            **{name: file.get(name) for name in ("read", "predicted", "rejected")},
            "why": shown(why(file)),
        }
        for file in batch["files"][:SHOWN_FILES]
    ]


def as_markdown(batch: Batch) -> str:
    """The run as Prefect's UI shows it."""
    return "\n".join(_markdown(batch))


def _markdown(batch: Batch) -> Iterator[str]:
    yield f"# {batch['predicted']:,} of {batch['read']:,} rows predicted, {batch['rejected']:,} rejected"
    output = cell(batch["output"])
    yield f"Model {batch['model']['name'] or ''} `{short(batch['model']['digest'])}`, output in `{output}`."
    yield from ("", "| file | | read | predicted | rejected | |", "|---|---|---|---|---|---|")
    for file in batch["files"][:SHOWN_FILES]:
        numbers = " | ".join(f"{file[name]:,}" if name in file else "" for name in ("read", "predicted", "rejected"))
        yield f"| `{cell(file['name'])}` | {OUTCOMES[file['state']]} | {numbers} | {cell(why(file))} |"
    if len(batch["files"]) > SHOWN_FILES:
        yield f"\n{len(batch['files']) - SHOWN_FILES:,} more files are in `{RUN}`."
    if batch["checks"]:
        yield from ("", "| check of the first rows | | |", "|---|---|---|")
        yield from (f"| {found['rule']} | {found['level']} | {cell(found['message'])} |" for found in batch["checks"])
    if pictures := find_pictures(batch):
        yield from ("", "## Encoder states", "")
        yield from (f"`{cell(name)}`\n\n![encoder states]({uri})\n" for name, uri in pictures.items())
    if batch["scored"]:
        rows = [f"| {name_of_field(name)} | {write_score(name, value)} |" for name, value in _scores(batch)]
        yield from ("", "## Scores", "", *(["| score | |", "|---|---|", *rows] if rows else [UNSCORED]))
    if batch["drift"]:
        yield from (
            "",
            "## Drift against the training data",
            "",
            "| what | PSI | then | now | |",
            "|---|---|---|---|---|",
        )
        for row in drift_rows(batch):
            yield f"| {' | '.join(row.values())} |"


def score_rows(batch: Batch) -> Iterator[tuple[str, str]]:
    """Names and values of the scores as a person reads them; nothing where no row could be scored."""
    for name, value in _scores(batch):
        numbers = value if isinstance(value, list | tuple) else [value]
        ends = [
            "none" if number is None else f"{number:,.4g}" if isinstance(number, float) else f"{number:,}"
            for number in numbers
        ]
        yield name.replace("_", " "), " to ".join(ends)


def _scores(batch: Batch) -> Iterator[tuple[str, Any]]:
    """Those by their short names; none where no row could be scored."""
    if (batch["scored"] or {}).get("n_evaluated"):
        yield from batch["scored"].items()


UNSCORED = f"{NOTHING_TO_SCORE}: no row has a target that can be used"
OUTCOMES = {"predict": "predicted", "keep": "unchanged", "wait": "waiting", "fail": "FAILED"}
