"""A night on one page of Prefect's UI: the model, the decision about it, and the predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.reporting.batch_page import summary_of
from tasks.reporting.pages import cell
from tasks.reporting.wording import as_on_pages, name_of_field, write_count
from tasks.seq2seq.settings.where import link_to
from tasks.seq2seq.shown import shown_lines


def as_markdown(name: str, model: Mapping[str, Any], predictions: Mapping[str, Any]) -> Iterator[str]:
    """The page.

    Args:
        name: of the experiment.
        model: the summary of the model's part, or its `failure`.
        predictions: the summary of the batch prediction.
    """
    yield from (f"# Night of {name}", "", _headline(model, predictions), "", "| part | |", "|---|---|")
    failure = model.get("failure", "").splitlines()
    if failure:
        yield f"| new model | **FAILED**: {cell(failure[0])} |"
        yield "| serves | the model that was promoted before |"
    else:
        dataset = model["dataset"]
        yield (
            f"| data | {dataset['rows']:,} training, {dataset['validation_rows']:,} validation, "
            f"{dataset['evaluation_rows']:,} held-out pairs, {dataset['rejected_rows']:,} rows rejected |"
        )
        made = [step["name"] for step in model["steps"] if not step["cached"]]
        yield f"| made now | {', '.join(made) or 'nothing: no new data, no changed setting'} |"
        reason = cell(as_on_pages(model["promotion_reason"]))
        yield f"| {'promoted' if model['promoted'] else 'not promoted'} | {reason} |"
        yield f"| report | {link(model['report'])} |"
    yield (
        f"| predictions | {predictions['predicted']:,} of {predictions['read']:,} rows, {predictions['rejected']:,} "
        f"rejected; {summary_of(dict(predictions))} |"
    )
    shifted = [name_of_field(shift["name"]) for shift in predictions["drift"] if shift["verdict"] == "shifted"]
    yield f"| drift | {', '.join(shifted) or 'none'} |"
    yield f"| accounts | {link(predictions['report'])} |"
    if len(failure) > 1:  # with a table of rows, whose columns stand below one another
        yield from ("", "```", *(shown_lines(line).replace("```", "'''") for line in failure), "```")


def _headline(model: Mapping[str, Any], predictions: Mapping[str, Any]) -> str:
    """The night in two sentences: which model serves, and what was predicted."""
    if "failure" in model:
        serves = "No new model: its making failed, and the one that was promoted before serves."
    elif model["promoted"]:
        serves = "The model of this night serves."
    else:
        serves = "The model of this night was not promoted; what served before, if anything did, goes on serving."
    return f"{serves} {predictions['predicted']:,} of {write_count(predictions['read'], 'row')} predicted."


def link(path: str) -> str:
    """A file as a link; browsers open it from a page that they were not served."""
    return f"[{path}]({link_to(path)})"
