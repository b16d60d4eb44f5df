"""The page about a model and its evaluation, and the same in short for Prefect."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tasks.reporting.pages import cell, html_pages
from tasks.seq2seq.metrics.table import headline
from tasks.seq2seq.models.pretrained_embeddings import Coverage
from tasks.seq2seq.promotion.gate import Verdict
from tasks.seq2seq.settings.experiment import UNKEYED, Experiment
from tasks.storage.artifacts.parquet_files import read_parquet
from tasks.storage.artifacts.shapes import EvaluationFile
from tasks.storage.files.json_files import read_json, write_json
from tasks.storage.store.manifest import Handle, Manifest, short

PAGE, SUMMARY = "report.html", "report.md"
MAX_REJECTS = 20
MAX_ATTENTION_MAPS = 4
_MARKS = {True: "right", False: "wrong", None: ""}


def write_page(experiment: Experiment, inputs: Mapping[str, Handle], verdict: Verdict, folder: Path) -> None:
    """Fills `folder` with the page, its short form, and a copy of the evaluation."""
    evaluation = read_evaluation(inputs["evaluation"])
    write_json(folder / "evaluation.json", evaluation)
    context = {**_context(experiment, inputs, evaluation), "verdict": verdict}
    (folder / PAGE).write_text(html_pages().get_template("report.html.jinja").render(context), encoding="utf-8")
    (folder / SUMMARY).write_text(_markdown(context), encoding="utf-8")


def read_evaluation(evaluation: Handle) -> EvaluationFile:
    """What an evaluation found.

    Raises:
        ArtifactError: its file is not what this version of the project writes.
    """
    return read_json(evaluation.path / "evaluation.json", EvaluationFile)


def _context(experiment: Experiment, inputs: Mapping[str, Handle], evaluation: EvaluationFile) -> dict[str, Any]:
    history = read_json(inputs["training"].path / "history.json", dict[str, Any])
    scores = evaluation["scores"]
    rejects, n_rejects = _rejects(inputs["dataset"].path)
    return {
        "name": experiment.promotion_name,
        "headline": headline(scores),
        "scores": dict(_score_rows(scores)),
        "examples": evaluation["examples"],
        "pictures": _pictures(evaluation, history, experiment.training.sampling),
        "mistakes": evaluation["mistakes"],
        "data": dict(_data_rows(inputs["dataset"])),
        "checks": inputs["checks"].fact("findings", list[dict[str, str]]),
        "rejects": rejects,
        "n_rejects": n_rejects,
        "steps": [_step(handle) for handle in inputs.values()],
        "sizes": _sizes(inputs, history),
        "settings": dict(_flatten(experiment.model_dump(mode="json", exclude=UNKEYED))),
        "lineage": _lineage(inputs),
    }


def _score_rows(scores: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Every single score; those by step and by position are in the pictures."""
    for name, value in _flatten(scores):
        words = name.replace("_", " ").replace(".", ", ", 1)
        if isinstance(value, int):
            yield words, f"{value:,}"
        elif isinstance(value, float):
            yield words, f"{value:.4g}"


def _pictures(evaluation: Mapping[str, Any], history: Mapping[str, Any], sampling: str) -> dict[str, str]:
    """The pictures there are, by what they show."""
    from tasks.reporting import figures  # noqa: PLC0415 - matplotlib takes a second, a cached run never loads it

    scores = evaluation["scores"]
    curve = "learning curve"
    if sampling != "none":
        curve += "; in training some inputs were the model's own predictions, in validation none"
    pictures = {curve: figures.learning_curve(history["curve"], history["epochs"], history["metric"])}
    if not scores["n_evaluated"]:
        return {name: figures.data_uri(png) for name, png in pictures.items()}
    if "mae" in scores:
        errors = {"model": scores["mae_by_step"]}
        if relative := scores["relative_mae_naive_by_step"]:
            pairs = zip(scores["mae_by_step"], relative, strict=True)
            errors["naive forecast"] = [error / ratio if ratio else 0.0 for error, ratio in pairs]
        pictures["error by step ahead"] = figures.error_by_step(errors)
        if coverage := scores.get("interval_coverage_by_step"):
            pictures["share of values in each interval, and dashed what it should be"] = figures.coverage(coverage)
        if evaluation["examples"]:
            pictures["the first examples: what came, and dashed what was predicted"] = figures.forecasts(
                evaluation["examples"]
            )
    else:
        pictures["accuracy by position"] = figures.accuracy_by_position(scores["accuracy_by_position"])
        matrix = evaluation["mistakes"]["matrix"]
        pictures["confusion matrix of tokens"] = figures.confusion(np.array(matrix["counts"]), matrix["labels"])
    for i, found in enumerate(evaluation["attention"][:MAX_ATTENTION_MAPS], 1):
        pictures[f"what example {i} attended to: at each step of the prediction (rows), the source"] = (
            figures.attention(found["source"], found["predicted"], np.array(found["weights"]))
        )
    return {name: figures.data_uri(png) for name, png in pictures.items()}


def _rejects(dataset: Path) -> tuple[list[dict[str, Any]], int]:
    path = dataset / "rejects.parquet"
    if not path.exists():
        return [], 0
    table = read_parquet(path)
    return table.slice(0, MAX_REJECTS).to_pylist(), table.num_rows


def _data_rows(dataset: Handle) -> Iterator[tuple[str, Any]]:
    for name, value in _flatten(dataset.facts):
        yield name.replace("_", " ").replace(".", ": "), value
    account = dataset.path / "account.json"
    if account.exists():
        for name, value in _flatten(read_json(account, dict[str, Any])):
            yield name.replace("_", " ").replace(".", ": "), value


def _step(handle: Handle) -> dict[str, Any]:
    size = sum(entry.bytes for entry in Manifest.read(handle.path).files.values())
    return {
        "kind": handle.kind,
        "seconds": handle.made_in_seconds,
        "size": f"{size / 1e6:.2f} MB",
        "digest": short(handle.digest),
        "path": handle.path,
    }


def _sizes(inputs: Mapping[str, Handle], history: dict[str, Any]) -> dict[str, str]:
    figures, ended_by = inputs["training"].figures, history["ended_by"]
    rate = figures["sequences_per_s"]
    vectors = {
        name: Coverage(**found).said
        for name, found in inputs["training"].fact("vectors", dict[str, dict[str, Any]]).items()
    }
    return {
        "parameters": f"{inputs['bundle'].fact('parameters', int):,}",
        **{f"pre-trained {name} vectors": said for name, said in vectors.items()},
        "best epoch": f"{history['best_epoch']} of {len(history['epochs'])}",
        **({"training was ended by": f"training.{ended_by}"} if ended_by != "epochs" else {}),
        "padding in training batches": f"{100 * history['padding_share']:.2f} %",
        "training rate without the first step": f"{rate:,.0f} sequences/s" if rate else "one step only",
        "training rate with tracing": f"{figures['sequences_per_s_with_tracing']:,.0f} sequences/s",
    }


def _lineage(inputs: Mapping[str, Handle]) -> dict[str, str]:
    digests = {f"{kind} digest": handle.digest for kind, handle in inputs.items()}
    made = {kind: Manifest.read(handle.path) for kind, handle in inputs.items()}
    sources = {
        f"made from {name}": digest
        for manifest in made.values()
        for name, digest in manifest.made_from.items()
        if name not in inputs
    }
    versions = {name: version for manifest in made.values() for name, version in manifest.versions.items()}
    return {
        **digests,
        **sources,
        "code that makes data": made["dataset"].depends_on["code"],
        "code that makes models": made["training"].depends_on["code"],
        **versions,
    }


def _flatten(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in content.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _markdown(context: dict[str, Any]) -> str:
    number, what = context["headline"]
    examples = [
        f"| `{cell(example['text']['source'])}` | `{cell(example['text']['expected'])}` "
        f"| `{cell(example['text']['predicted'])}` | {_MARKS[example['correct']]} |"
        for example in context["examples"]
    ]
    pictures = [f"{what}\n\n![{what}]({uri})\n" for what, uri in context["pictures"].items()]
    steps = [f"| {step['kind']} | {step['seconds']:.2f} s | `{step['path']}` |" for step in context["steps"]]
    return "\n".join(
        [
            f"# {context['name']}",
            f"**{number}** {what}. {_said(context['verdict'])}",
            "",
            "| source | expected | predicted | |",
            "|---|---|---|---|",
            *examples,
            "",
            "| data check | | |",
            "|---|---|---|",
            *(f"| {found['rule']} | {found['level']} | {cell(found['said'])} |" for found in context["checks"]),
            "",
            *pictures,
            "| step | made in | where |",
            "|---|---|---|",
            *steps,
        ]
    )


def _said(verdict: Verdict) -> str:
    return f"The gate {'passed' if verdict.passed else 'refused'} it: {verdict.reason}."
