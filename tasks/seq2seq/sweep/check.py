"""What a sweep is asked for, all faults told together; the pairs and the metric by which trials are ranked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.metrics.metric import Direction, Kind, Metric, TokenTarget, VectorTarget
from tasks.seq2seq.metrics.table import metrics_of
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.rules import Rule, check_experiment, check_section, nearest
from tasks.seq2seq.settings.sweep import SearchSettings, SweepSettings
from tasks.seq2seq.sweep.space import read_space


def check_sweep_settings(raw: Mapping[str, Any], also: Iterable[Rule] = ()) -> SweepSettings:
    """The sweep that `raw` describes.

    Args:
        raw: nested dictionaries as TOML, flags and the environment give them.
        also: rules that look at files, as `check_experiment` takes them.

    Raises:
        SettingsError: naming every fault, each with its key.
    """
    faults: list[str] = []
    experiment = search = None
    try:
        experiment = check_experiment({name: value for name, value in raw.items() if name != "sweep"}, also)
    except SettingsError as error:
        faults.append(str(error))
    try:
        search = check_section(SearchSettings, raw.get("sweep", {}))
    except SettingsError as error:
        faults += [f"sweep.{fault}" for fault in str(error).splitlines()]
    faults += _space_faults(raw.get("sweep"))
    if experiment:
        faults += _validation_faults(experiment)
    if experiment and search:
        faults += _metric_faults(experiment, search)
    if faults or experiment is None or search is None:
        raise SettingsError("\n".join(faults))
    return SweepSettings(**{name: getattr(experiment, name) for name in experiment.model_fields_set}, sweep=search)


def _space_faults(sweep: Any) -> list[str]:  # noqa: ANN401 - whatever the user wrote
    space = sweep.get("space") if isinstance(sweep, Mapping) else None
    return read_space(space)[1] if isinstance(space, Mapping) else []


def _validation_faults(experiment: Experiment) -> Iterator[str]:
    """Trials are not ranked on the test split, by which the winner is proven."""
    data = experiment.data
    if isinstance(data, FilesData) and data.validation is None and data.validation_fraction == 0:
        yield "data.validation_fraction is 0, but trials are ranked on the validation split; raise it (0.1, say)"


def _metric_faults(experiment: Experiment, search: SearchSettings) -> Iterator[str]:
    if search.metric is None:
        return
    there = {metric.name: metric for metric in _metrics(experiment)}
    can_rank = [name for name, metric in there.items() if metric.better]
    if search.metric not in there:
        unwanted = search.metric in {metric.name for metric in metrics_of(_kind(experiment))}
        hint = f"; set evaluation.{search.metric} = true" if unwanted and _kind(experiment) == "tokens" else ""
        yield (
            f"sweep.metric is {search.metric!r}, which is not a score of this data"
            f"{nearest(search.metric, can_rank)}{hint}; there are {', '.join(can_rank)}"
        )
    elif search.metric not in can_rank:
        yield (
            f"sweep.metric is {search.metric!r}, which does not say how good a model is; those that do are "
            f"{', '.join(can_rank)}"
        )


def metric_of(experiment: Experiment, search: SearchSettings) -> tuple[str, Direction]:
    """The metric by which trials are ranked, and which way it is better."""
    name = search.metric or default_metric(experiment)
    better = next(metric.better for metric in _metrics(experiment) if metric.name == name)
    assert better is not None
    return name, search.direction or better


def default_metric(experiment: Experiment) -> str:
    """The one that is closest to what the gate asks for, and has an interval where that can be."""
    if _kind(experiment) == "tokens":
        return "sequence_accuracy"
    return "nearest_neighbour_accuracy" if _predicts_embeddings(experiment) else "mae"


def _metrics(experiment: Experiment) -> list[Metric]:
    """Those that an evaluation of the experiment has."""
    kind = _kind(experiment)
    target: TokenTarget | VectorTarget = VectorTarget(embeddings=_predicts_embeddings(experiment))
    if kind == "tokens":
        target = TokenTarget(Vocabulary.identity(1), experiment.evaluation)
    return [metric for metric in metrics_of(kind) if metric.is_wanted(target)]


def _kind(experiment: Experiment) -> Kind:
    data = experiment.data
    return "vectors" if isinstance(data, FilesData) and data.target_encoding == "vectors" else "tokens"


def _predicts_embeddings(experiment: Experiment) -> bool:
    return experiment.training.loss == "cosine_similarity"
