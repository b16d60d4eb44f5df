"""The deployments of prefect.yaml, read strictly: all faults are told, each with its place, before anything runs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, cast, get_type_hints

import yaml
from prefect import Flow
from prefect.client.schemas.actions import DeploymentScheduleCreate
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule, RRuleSchedule
from prefect.deployments.runner import RunnerDeployment
from prefect.exceptions import MissingFlowError, ScriptError
from prefect.flows import load_flow_from_entrypoint
from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from flows._cli.checkout import ROOT
from flows._cli.commands.sweep import check_sweep
from flows._cli.settings import read_settings_text
from tasks.seq2seq.errors import Seq2SeqError, SettingsError
from tasks.seq2seq.settings.batch import BatchSettings, check_batch_settings
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.nightly import NightlySettings, check_nightly_settings
from tasks.seq2seq.settings.rules import check_experiment, nearest
from tasks.seq2seq.settings.section import Section
from tasks.seq2seq.settings.sweep import SweepSettings
from tasks.seq2seq.settings.where import Where
from tasks.storage.files.limits import SETTINGS_VALUES

FILE_KEYS = ("name", "prefect-version", "build", "push", "pull", "deployments")


class ScheduleEntry(Section):
    """When a deployment runs: one of `cron`, `interval` and `rrule`."""

    cron: str | None = None
    day_or: bool | None = None
    interval: float | None = Field(None, gt=0)
    anchor_date: str | None = None
    rrule: str | None = None
    timezone: str | None = None
    active: bool = True
    slug: str | None = None
    parameters: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        if sum(value is not None for value in (self.cron, self.interval, self.rrule)) != 1:
            raise ValueError("give one of cron, interval (seconds) and rrule")
        self.create()
        return self

    def create(self) -> DeploymentScheduleCreate:
        """The schedule as Prefect takes it."""
        schedule: CronSchedule | IntervalSchedule | RRuleSchedule
        given = self.model_dump(exclude_none=True, include={*_KINDS, "timezone", "anchor_date", "day_or"})
        schedule = next(kind for name, kind in _KINDS.items() if name in given).model_validate(given)
        return DeploymentScheduleCreate(
            schedule=schedule, active=self.active, slug=self.slug, parameters=self.parameters
        )

    def __str__(self) -> str:
        when = f"cron {self.cron}" if self.cron else f"every {self.interval:g} s" if self.interval else self.rrule
        return f"{when}{f' {self.timezone}' if self.timezone else ''}{'' if self.active else ' (not active)'}"


_KINDS: dict[str, Any] = {"cron": CronSchedule, "interval": IntervalSchedule, "rrule": RRuleSchedule}


class ConcurrencyLimit(Section):
    """How many runs of a deployment may be under way at once, and what becomes of one that is too many."""

    limit: int = Field(ge=1)
    collision_strategy: Literal["ENQUEUE", "CANCEL_NEW"] = "ENQUEUE"
    grace_period_seconds: int | None = Field(None, ge=60, le=86_400)

    def create(self) -> ConcurrencyLimitConfig:
        """The limit as Prefect takes it."""
        return ConcurrencyLimitConfig(
            limit=self.limit,
            collision_strategy=ConcurrencyLimitStrategy(self.collision_strategy),
            grace_period_seconds=self.grace_period_seconds,
        )


class WorkPool(Section):
    """Where `prefect deploy` sends the runs; serving needs none."""

    name: str
    work_queue_name: str | None = None
    job_variables: dict[str, Any] = Field(default_factory=dict)


class Deployment(Section):
    """A flow with its parameters and its schedules."""

    name: str = Field(pattern=r"^[^/%&<>]+$")
    entrypoint: str = Field(pattern=r"^[^:]+\.py:\w+$")
    description: str | None = None
    version: str | None = None
    tags: tuple[str, ...] = ()
    parameters: dict[str, Any] = Field(default_factory=dict)
    schedules: tuple[ScheduleEntry, ...] = ()
    paused: bool | None = None
    concurrency_limit: ConcurrencyLimit | None = None
    enforce_parameter_schema: bool = True
    work_pool: WorkPool | None = None

    @property
    def when_shown(self) -> str:
        """Its schedules as a person reads them."""
        return ", ".join(map(str, self.schedules)) or "on request"

    @field_validator("concurrency_limit", mode="before")
    @classmethod
    def _number_alone(cls, limit: Any) -> Any:  # noqa: ANN401 - whatever the user wrote
        return {"limit": limit} if isinstance(limit, int) else limit


@dataclass(frozen=True)
class Served:
    """A deployment with its flow."""

    entry: Deployment
    flow: Flow[..., Any]

    @property
    def name(self) -> str:
        """As Prefect names it."""
        return f"{self.flow.name}/{self.entry.name}"

    def create(self, store: Where | None = None) -> RunnerDeployment:
        """What serving sends to the server: what `prefect deploy` does, except for the work pool.

        Args:
            store: of the runs, where the deployment names none and its flow takes one; None is the flow's own default.
        """
        takes_store = store is not None and "store" in inspect.signature(self.flow.fn).parameters
        with chdir(ROOT):  # entrypoints are kept relative to the current folder
            deployment = self.flow.to_deployment(
                self.entry.name,
                description=self.entry.description,
                version=self.entry.version,
                tags=[*self.entry.tags],
                parameters={**({"store": str(store)} if takes_store else {}), **self.entry.parameters},
                schedules=[schedule.create() for schedule in self.entry.schedules],
                paused=self.entry.paused,
                concurrency_limit=self.entry.concurrency_limit.create() if self.entry.concurrency_limit else None,
                enforce_parameter_schema=self.entry.enforce_parameter_schema,
            )
        return cast("RunnerDeployment", deployment)  # a coroutine only where an event loop runs


def read_deployments(path: Path) -> list[Served]:
    """The deployments of a file such as prefect.yaml, with their flows.

    Raises:
        SettingsError: naming every fault with its place.
    """
    content = _read(path)
    faults = [f"{name} is not a key of the file{nearest(name, [*FILE_KEYS])}" for name in {*content} - {*FILE_KEYS}]
    entries = content.get("deployments") or []
    if not isinstance(entries, list) or not entries:
        faults.append("deployments must be a list of at least one deployment")
        entries = []
    served: list[Served] = []
    for number, entry in enumerate(entries):
        try:
            deployment = Deployment.model_validate(entry)
            served.append(Served(deployment, _load_flow(deployment)))
        except ValidationError as error:
            faults += [f"{_place(number, entry)} {fault}" for fault in _faults(error)]
        except Seq2SeqError as error:
            faults += [f"{_place(number, entry)} {line}" for line in str(error).splitlines()]
    faults += _twice(served)
    if faults:
        raise SettingsError("\n".join([f"{path} cannot be served:", *(f"  {fault}" for fault in faults)]))
    return served


class _Bounded(yaml.SafeLoader):
    """Refuses aliases by which a few lines would stand for more than any settings; Prefect's files may have others."""

    def get_single_node(self) -> yaml.Node | None:
        node: yaml.Node | None = super().get_single_node()
        if node and _n_values(node, {}) > SETTINGS_VALUES:
            raise yaml.YAMLError(f"with its aliases it stands for more than {SETTINGS_VALUES:,} values")
        return node


def _n_values(node: yaml.Node, known: dict[yaml.Node, int | None]) -> int:
    """How many values a node stands for, each alias being all that it stands for.

    Raises:
        YAMLError: an alias stands for what it is in.
    """
    if isinstance(node, yaml.ScalarNode):
        return 1
    if node not in known:
        known[node] = None  # until it is counted
        inner = node.value if isinstance(node, yaml.SequenceNode) else [one for pair in node.value for one in pair]
        known[node] = 1 + sum(_n_values(one, known) for one in inner)
    if (n := known[node]) is None:
        raise yaml.YAMLError(f"what begins in line {node.start_mark.line + 1} has an alias of itself in it")
    return n


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(read_settings_text(path), _Bounded)  # noqa: S506 - it is a safe loader
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"the deployments in {path} cannot be read: {error}") from error
    except RecursionError as error:
        raise SettingsError(f"{path} is nested too deep to hold deployments") from error
    except (yaml.YAMLError, ValueError) as error:  # the latter of dates and numbers that are none
        raise SettingsError(f"{path} is no YAML that can be served: {error}") from error
    if not isinstance(content, dict):
        raise SettingsError(f"{path} holds no keys; expected a list under `deployments`")
    return content


def _load_flow(deployment: Deployment) -> Flow[..., Any]:
    """The flow of a deployment, after its parameters, and those of its schedules, were held against it."""
    try:
        with chdir(ROOT):
            flow: Flow[..., Any] = load_flow_from_entrypoint(deployment.entrypoint, use_placeholder_flow=False)
    except (MissingFlowError, ScriptError, OSError) as error:
        cause = error.user_exc if isinstance(error, ScriptError) else error
        raise SettingsError(f"entrypoint {deployment.entrypoint} in {ROOT} gives no flow: {cause}") from error
    given = {"parameters": deployment.parameters} | {
        f"schedules[{number}].parameters": {**deployment.parameters, **schedule.parameters}
        for number, schedule in enumerate(deployment.schedules)
        if schedule.parameters
    }
    faults = [f"{place}: {fault}" for place, values in given.items() for fault in parameter_faults(flow, values)]
    if faults:
        raise SettingsError("\n".join(faults))
    return flow


def parameter_faults(flow: Flow[..., Any], parameters: dict[str, Any]) -> Iterator[str]:
    """What keeps these parameters from being a flow's."""
    known = inspect.signature(flow.fn).parameters
    types = get_type_hints(flow.fn)
    for name in parameters.keys() - known.keys():
        yield f"{name} is not a parameter of {flow.name}{nearest(name, [*known])}; known are {', '.join(known)}"
    for name, parameter in known.items():
        if name in parameters:
            yield from _value_faults(name, parameters[name], types[name])
        elif parameter.default is parameter.empty:
            yield f"{name} is required"


def _value_faults(name: str, value: Any, kind: Any) -> Iterator[str]:  # noqa: ANN401 - whatever the user wrote
    if "{{" in str(value):
        yield f"{name}: {value!r} is a template, which serving does not fill in; write the value itself"
        return
    try:
        if kind in _CHECKS and isinstance(value, dict):
            _CHECKS[kind](value)
        else:
            TypeAdapter(kind).validate_python(value)
    except SettingsError as error:
        yield from (f"{name}.{line}" for line in str(error).splitlines())
    except ValidationError as error:
        yield from _faults(error, name)


_CHECKS: dict[Any, Any] = {
    Experiment: check_experiment,
    BatchSettings: check_batch_settings,
    NightlySettings: check_nightly_settings,
    SweepSettings: check_sweep,
}


def _faults(error: ValidationError, prefix: str = "") -> Iterator[str]:
    for detail in error.errors():
        parts = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
        place = f"{prefix}{parts}".lstrip(".")
        what = {"extra_forbidden": "is not a key here", "missing": "is required"}.get(detail["type"])
        message = f"{detail['msg'].removeprefix('Value error, ')} (got {detail['input']!r})"
        yield f"{place} {what}" if what else f"{place}: {message}".removeprefix(": ")


def _place(number: int, entry: Any) -> str:  # noqa: ANN401 - whatever the user wrote
    name = entry.get("name") if isinstance(entry, dict) else None
    return f"deployments[{number}] ({name})" if name else f"deployments[{number}]"


def _twice(served: list[Served]) -> Iterator[str]:
    names = [one.name for one in served]
    for name in {*names}:
        if names.count(name) > 1:
            yield f"{name} is there {names.count(name)} times; name each differently"
