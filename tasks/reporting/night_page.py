"""A night on one page of Prefect's UI: the model, the decision about it, and the predictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.reporting.pages import cell
from tasks.seq2seq.settings.where import link_to
from tasks.seq2seq.shown import shown_lines


def as_markdown(name: str, model: Mapping[str, Any], predictions: Mapping[str, Any]) -> Iterator[str]:
    """The page.

    Args:
        name: of the experiment.
        model: the summary of the model's part, or its `failure`.
        predictions: the summary of the batch prediction.
    """
    yield from (f"# Night of {name}", "", "| part | |", "|---|---|")
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
        yield f"| {'promoted' if model['promoted'] else 'not promoted'} | {cell(model['promotion_reason'])} |"
        yield f"| report | {link(model['report'])} |"
    yield (
        f"| predictions | {predictions['predicted']:,} of {predictions['read']:,} rows, {predictions['rejected']:,} "
        f"rejected; {predictions['predicted_files']} files now, {predictions['kept_files']} unchanged, "
        f"{predictions['waiting_files']} waiting, {predictions['failed']} failed |"
    )
    shifted = [shift["name"].replace("_", " ") for shift in predictions["drift"] if shift["verdict"] == "shifted"]
    yield f"| drift | {', '.join(shifted) or 'none'} |"
    yield f"| accounts | {link(predictions['report'])} |"
    if len(failure) > 1:  # with a table of rows, whose columns stand below one another
        yield from ("", "```", *(shown_lines(line).replace("```", "'''") for line in failure), "```")


def link(path: str) -> str:
    """A file as a link; browsers open it from a page that they were not served."""
    return f"[{path}]({link_to(path)})"
