"""The page about a model and its evaluation, and the same in short for Prefect."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.reporting.backtest_words import backtest_tables
from tasks.reporting.data_words import data_rows
from tasks.reporting.model_pictures import draw_pictures
from tasks.reporting.model_words import example_groups, judgement, learned, score_rows
from tasks.reporting.pages import cell, html_pages
from tasks.reporting.wording import as_on_pages, flatten, write_duration, write_percent, write_size, write_value
from tasks.seq2seq.metrics.table import headline
from tasks.seq2seq.models.pretrained_embeddings import Coverage
from tasks.seq2seq.promotion.gate import Verdict
from tasks.seq2seq.settings.experiment import UNKEYED, Experiment
from tasks.storage.artifacts.dataset import DatasetFacts
from tasks.storage.artifacts.parquet_files import read_parquet
from tasks.storage.artifacts.shapes import EvaluationFile
from tasks.storage.files.json_files import read_json, write_json
from tasks.storage.store.manifest import Handle, Manifest

PAGE, SUMMARY = "report.html", "report.md"
MAX_REJECTS = 20
_MARKS = {True: "right", False: "wrong", None: ""}
# Of the experiment, what a command does without: it changes no result.
_UNSAID = {"training": {"tensorboard"}, "model": {"cudnn", "vector_files"}}


def write_page(experiment: Experiment, inputs: Mapping[str, Handle], verdict: Verdict, folder: Path) -> None:
    """Fills `folder` with the page, its short form, and a copy of the evaluation."""
    evaluation = read_evaluation(inputs["evaluation"])
    write_json(folder / "evaluation.json", evaluation)
    context = {**_context(experiment, inputs, evaluation), "verdict": verdict}
    context["reason"] = as_on_pages(verdict.reason)
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
    facts = inputs["dataset"].facts_as(DatasetFacts)
    scores = evaluation["scores"]
    rejects, n_rejects = _rejects(inputs["dataset"].path)
    made = Manifest.read(inputs["training"].path)
    return {
        "name": experiment.promotion_name,
        "learned": learned(experiment, facts, history),
        "headline": headline(scores),
        "judgement": list(judgement(scores)),
        "examples": example_groups(evaluation["examples"]),
        "first_examples": evaluation["examples"],
        "mistakes": _mistakes(evaluation),
        "scores": list(score_rows(scores, facts)),
        "groups": list(backtest_tables(evaluation["backtest"])) if "backtest" in evaluation else [],
        "is_tokens": not facts.target.features,
        "pictures": list(draw_pictures(evaluation, history, sampled=experiment.training.sampling != "none")),
        "data": list(data_rows(facts, _account(inputs["dataset"].path))),
        "checks": inputs["checks"].fact("findings", list[dict[str, str]]),
        "rejects": rejects,
        "n_rejects": n_rejects,
        "when": f"on {made.made_at:%-d %B %Y at %H:%M} UTC, in {write_duration(made.made_in_seconds)}",
        "command": command_of(experiment),
        "training": list(_sizes(inputs, history).items()),
        "steps": [_step(handle) for handle in inputs.values()],
        "settings": [
            (name, write_value(value)) for name, value in flatten(experiment.model_dump(mode="json", exclude=UNKEYED))
        ],
        "lineage": list(_lineage(inputs).items()),
    }


def command_of(experiment: Experiment) -> str:
    """The command that trains with these settings, of which those are given that are not as they are by default."""
    words = ["python", "-m", "flows.train_and_eval"]
    for name, value in flatten(experiment.model_dump(mode="json", exclude_defaults=True, exclude=_UNSAID)):
        if isinstance(value, bool):
            words.append(f"--{name}" if value else f"--no-{name}")
        else:
            for one in value if isinstance(value, list) else [value]:
                words += [f"--{name}", str(one)]
    return shlex.join(words)


def _mistakes(evaluation: EvaluationFile) -> dict[str, Any]:
    """The commonest, with words for what is not there."""
    found = evaluation["mistakes"]
    if not found:
        return {}
    wrong = [
        {name: value if value != "" else "(nothing)" for name, value in one.items()}
        for one in found["wrong_predictions"]
    ]
    confusions = [
        {
            **one,
            "expected": "(inserted)" if one["expected"] is None else one["expected"],
            "predicted": "(left out)" if one["predicted"] is None else one["predicted"],
        }
        for one in found["confusions"]
    ]
    return {**found, "wrong_predictions": wrong, "confusions": confusions}


def _account(dataset: Path) -> dict[str, Any]:
    path = dataset / "account.json"
    return read_json(path, dict[str, Any]) if path.exists() else {}


def _rejects(dataset: Path) -> tuple[list[dict[str, Any]], int]:
    path = dataset / "rejects.parquet"
    if not path.exists():
        return [], 0
    table = read_parquet(path)
    return table.slice(0, MAX_REJECTS).to_pylist(), table.num_rows


def _step(handle: Handle) -> dict[str, Any]:
    return {
        "kind": handle.kind,
        "time": write_duration(handle.made_in_seconds),
        "size": write_size(sum(entry.bytes for entry in Manifest.read(handle.path).files.values())),
        "path": handle.path,
    }


def _sizes(inputs: Mapping[str, Handle], history: dict[str, Any]) -> dict[str, str]:
    figures, ended_by = inputs["training"].figures, history["ended_by"]
    rate = figures["sequences_per_s"]
    vectors = {
        name: Coverage(**found).message
        for name, found in inputs["training"].fact("vectors", dict[str, dict[str, Any]]).items()
    }
    return {
        "parameters": f"{inputs['bundle'].fact('parameters', int):,}",
        **{f"pre-trained {name} vectors": message for name, message in vectors.items()},
        "best epoch": f"{history['best_epoch']} of {len(history['epochs'])}",
        **({"training was ended by": f"training.{ended_by}"} if ended_by != "epochs" else {}),
        "padding in training batches": write_percent(history["padding_share"]),
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


def _markdown(context: dict[str, Any]) -> str:
    number, what = context["headline"]
    examples = [
        f"| `{cell(example['text']['source'])}` | `{cell(example['text']['expected'])}` "
        f"| `{cell(example['text']['predicted'])}` | {_MARKS[example['correct']]} |"
        for example in context["first_examples"]
    ]
    pictures = [f"{picture.title}\n\n![{cell(picture.alt)}]({picture.data_uri()})\n" for picture in context["pictures"]]
    steps = [f"| {step['kind']} | {step['time']} | `{step['path']}` |" for step in context["steps"]]
    return "\n".join(
        [
            f"# {context['name']}",
            context["learned"],
            f"**{number}** {what}. {' '.join(context['judgement'])} {_said(context['verdict'])}",
            "",
            "| source | expected | predicted | |",
            "|---|---|---|---|",
            *examples,
            "",
            "| data check | | |",
            "|---|---|---|",
            *(f"| {found['rule']} | {found['level']} | {cell(found['message'])} |" for found in context["checks"]),
            "",
            *pictures,
            "| step | made in | where |",
            "|---|---|---|",
            *steps,
        ]
    )


def _said(verdict: Verdict) -> str:
    return f"The gate {'passed' if verdict.passed else 'refused'} it: {as_on_pages(verdict.reason)}."
