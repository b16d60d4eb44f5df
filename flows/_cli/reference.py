"""The reference of all settings, from the models themselves: `python -m flows._cli.reference > docs/settings.md`."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from flows._cli.commands.import_bundle import ImportSettings
from flows._cli.commands.predict_lines import LinesSettings
from flows._cli.commands.promotions import PromotionsSettings
from flows._cli.commands.serve import ServeSettings
from flows._cli.commands.store import StoreSettings
from flows._cli.help import shown_default
from flows._cli.settings import FlowOptions, LoggedOptions, Options
from tasks.seq2seq.settings.batch import BatchSettings
from tasks.seq2seq.settings.checks import BatchChecks, Checks, TrainingChecks
from tasks.seq2seq.settings.data import FilesData, SyntheticData
from tasks.seq2seq.settings.decoding import DecodingSettings
from tasks.seq2seq.settings.evaluation import EvaluationSettings
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.export import ExportSettings
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.nightly import NightlySettings
from tasks.seq2seq.settings.pruning import PruneSettings
from tasks.seq2seq.settings.runner import RunnerSettings
from tasks.seq2seq.settings.series import SeriesSettings
from tasks.seq2seq.settings.sweep import SearchSettings
from tasks.seq2seq.settings.training import TrainingSettings

HEAD = """# Settings

Made by `make docs` from the models that the program reads. A key is a TOML key (`[data]` `n_in = 8`), a flag
(`--data.n-in 8`, `_` does as well as `-`) and an environment variable (`SEQ2SEQ_DATA__N_IN=8`). Flags win over the
environment, which wins over the file. Options of a command, such as `store`, may stand in the file too. Paths in a file
are relative to it, others to the current folder.
"""

SECTIONS: dict[str, tuple[str, str, type[BaseModel]]] = {
    "Experiment": ("", "All of it is recorded with every artifact.", Experiment),
    "Synthetic data": ("data.", '`data.kind = "synthetic"`, the default.', SyntheticData),
    "Your own files": ("data.", '`data.kind = "files"`, the default where `data.train` is given.', FilesData),
    "Series": ("data.", "Of your own files, where a row is a time step: see [series.md](series.md).", SeriesSettings),
    "Model": ("model.", "", ModelSettings),
    "Training": ("training.", "", TrainingSettings),
    "Decoding": ("decoding.", "Of the evaluation, and recorded with the model.", DecodingSettings),
    "Evaluation": ("evaluation.", "", EvaluationSettings),
    "Export": ("export.", "It changes no result, and nothing but the export itself is made for it.", ExportSettings),
    "Data checks": (
        "checks.",
        "Before training. A rule that is not kept warns, or ends the run where `checks.fail` names it.",
        TrainingChecks,
    ),
    "Batch prediction": ("", "Of `python -m flows.batch_predict`, beside `decoding.*` and `runner.*`.", BatchSettings),
    "Runner": (
        "runner.",
        "Of `python -m flows.batch_predict`; what does the work changes no output.",
        RunnerSettings,
    ),
    "Checks of the rows to predict": (
        "checks.",
        "Of `python -m flows.batch_predict`, before the first row.",
        BatchChecks,
    ),
    "Lines": ("", "Of `python -m flows.predict_lines [LINE ...]`, beside `decoding.*`.", LinesSettings),
    "Night": ("", "Of `python -m flows.nightly`, beside those of an experiment.", NightlySettings),
    "Sweep": ("sweep.", "Of `python -m flows.sweep`, beside those of an experiment.", SearchSettings),
    "Promotions": ("", "Of `python -m flows.promotions [NAME]`.", PromotionsSettings),
    "Store": (
        "",
        "Of `flows.store list | why FILE | why DIGEST | verify [DIGEST ...] | prune | leaderboard [PROBLEM] | pages`.",
        StoreSettings,
    ),
    "Clean-up": ("", "Of `python -m flows.store prune`, and of the deployment `clean-up`.", PruneSettings),
    "Import of a bundle": ("", "Of `python -m flows.import_bundle FOLDER`.", ImportSettings),
    "Serving": (
        "",
        "Of `python -m flows.serve`, whose `store` is that of runs whose deployment names none.",
        ServeSettings,
    ),
    "Every command": ("", "`config` itself is not a key of a file.", Options),
    "Every command that runs flows, or serves them": ("", "", LoggedOptions),
    "Every command that runs a flow": ("", "", FlowOptions),
}


def settings_reference() -> str:
    """The page in Markdown."""
    return "\n".join([HEAD, *(line for title in SECTIONS for line in _section(title))])


def _section(title: str) -> Iterator[str]:
    prefix, note, model = SECTIONS[title]
    yield from (f"## {title}", "")
    if note:
        yield from (note, "")
    yield from ("| key | default | meaning |", "|---|---|---|")
    for name, field in _own_fields(model).items():
        if name not in ("decoding", "checks", "runner") and field.description:
            yield f"| `{prefix}{name}` | {_default(field)} | {field.description} |"
    yield ""


def _own_fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    """Those that it has beside or instead of its parent's, which stand elsewhere on the page; of checks all."""
    if issubclass(model, Checks):
        return model.model_fields
    return {name: field for name, field in model.model_fields.items() if name in vars(model).get("__annotations__", ())}


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None:
        return ""
    return f"`{shown_default(field)}`"


if __name__ == "__main__":
    print(settings_reference(), end="")
