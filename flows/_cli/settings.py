"""Settings from a TOML file, the environment and flags: a flow's tree of settings, and its command's own options.

Flags win over the environment (`SEQ2SEQ_`, `__` between levels), which wins over the file. Paths in the
file are relative to it, others to the current folder; all become absolute, since schedules run elsewhere.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, Field
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, CliPositionalArg, CliSettingsSource, EnvSettingsSource, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from flows._cli.checkout import ROOT
from flows._cli.help import asks_for_all, asks_for_help, flags_of, help_text, takes_many
from flows._server.credentials import without_credentials
from tasks.seq2seq.errors import SettingsError
from tasks.seq2seq.settings.batch import BatchSettings, check_batch_settings
from tasks.seq2seq.settings.data import FilesData
from tasks.seq2seq.settings.experiment import Experiment
from tasks.seq2seq.settings.model import ModelSettings
from tasks.seq2seq.settings.nightly import NightlySettings, check_nightly_settings
from tasks.seq2seq.settings.rules import check_experiment, check_section, nearest
from tasks.seq2seq.settings.section import Section, Sections
from tasks.seq2seq.settings.training import TrainingSettings
from tasks.seq2seq.settings.where import Where, check_url, is_url
from tasks.storage.files.limits import SETTINGS_BYTES, SETTINGS_DOTS


class Options(Section):
    """What every command takes beside its settings."""

    config: Path | None = Field(None, description="TOML file with the settings")
    store: Where = Field(
        ROOT / "data" / "artifacts",
        description="folder of the artifact store, or its URL in an object store, such as s3://bucket/folder",
    )
    summary: Path | None = Field(None, description="file to write the result to, as JSON")
    quiet: bool = Field(False, description="print nothing but warnings and errors")

    @property
    def makes_nothing(self) -> bool:
        """Whether it is only asked what a run would do."""
        return False


class LoggedOptions(Options):
    """What commands take that run flows, or have them run."""

    verbose: bool = Field(False, description="log in detail what Prefect and the steps do")


class FlowOptions(LoggedOptions):
    """What a command takes that runs a flow."""

    refresh: bool = Field(False, description="make everything again, whatever is cached")
    dry_run: bool = Field(
        False,
        description="make nothing, but say what would be made, what is cached, and why; of training data also what its "
        "files hold, as they are understood",
    )
    notify: str | None = Field(
        None,
        description="Prefect block, such as slack-webhook/team, that is sent a message where the run fails, rows "
        "shifted, or a night's model is refused (none)",
    )

    @property
    def makes_nothing(self) -> bool:
        """Whether it is only asked what a run would do."""
        return self.dry_run


SomeOptions = TypeVar("SomeOptions", bound=Options)
SomeSettings = TypeVar("SomeSettings", bound=Section)


@dataclass(frozen=True)
class Tree(Generic[SomeSettings]):
    """A tree of settings.

    Args:
        model: what it is made of.
        check: makes it of nested dictionaries, or raises a `SettingsError` that names all faults.
        title: what `--help` calls the settings outside of any section.
        word: the setting that the words of the command line are which are no flags; it takes one, or all of them.
    """

    model: type[SomeSettings]
    check: Callable[[Mapping[str, Any]], SomeSettings]
    title: str = "experiment"
    word: str | None = None


def _vector_files_fit(sections: Sections) -> Iterator[str]:
    model = sections.get("model")
    if isinstance(model, ModelSettings) and model.vector_files:
        from tasks.storage.readers.word_vectors import vector_files_fit  # noqa: PLC0415 - few have any; it takes Arrow

        yield from vector_files_fit(sections)


FILE_RULES = (_vector_files_fit,)
EXPERIMENT = Tree(Experiment, partial(check_experiment, also=FILE_RULES))
BATCH = Tree(BatchSettings, check_batch_settings, title="predictions", word="inputs")
NIGHTLY = Tree(NightlySettings, partial(check_nightly_settings, also=FILE_RULES))


def read_settings(
    tree: Tree[SomeSettings],
    options: type[SomeOptions],
    argv: list[str],
    program: str,
    description: str,
    first: tuple[str, ...] = (),
) -> tuple[SomeSettings, SomeOptions]:
    """The settings and the options that file, environment and flags describe.

    Raises:
        SettingsError: naming every fault with its key; unknown flags with the nearest known one.
        SystemExit: for `--help` or `--help-all`, which it prints.
    """
    if asks_for_help(argv):
        is_whole = asks_for_all(argv)
        page = help_text(program, description, tree.model, options, tree.title, tree.word, first, is_whole=is_whole)
        print(page, end="")
        raise SystemExit(0)
    flags = _read_flags(tree.model, options, tree.word, argv)
    environment = EnvSettingsSource(_arguments(tree.model, options))()
    given = _merge(absolute_paths(environment, Path.cwd()), absolute_paths(flags, Path.cwd()))
    own = _options_of(given, options)
    if config := own.get("config"):
        content = read_toml(Path(config))
        own = {**_options_of(content, options, but="config"), **own}
        given = _merge(content, given)
    chosen = check_section(options, own)
    if isinstance(chosen, LoggedOptions) and chosen.quiet and chosen.verbose:
        raise SettingsError("--quiet and --verbose are both given, and ask for less and for more; leave one out")
    return tree.check(given), chosen


def _options_of(given: dict[str, Any], options: type[Options], but: str = "") -> dict[str, Any]:
    """Takes a command's own options out of what is given."""
    return {name: given.pop(name) for name in options.model_fields if name in given and name != but}


def _arguments(model: type[Section], options: type[Options], word: str | None = None) -> type[BaseSettings]:
    """The settings and the options as one; those that are words of the command line are taken as they come."""
    body: dict[str, Any] = {"model_config": _CONFIG}
    if word:
        body["__annotations__"] = {word: CliPositionalArg[list[str]]}
        body[word] = Field([])
    return cast("type[BaseSettings]", type("Arguments", (BaseSettings, model, options), body))


_CONFIG = SettingsConfigDict(
    extra="forbid",
    env_prefix="SEQ2SEQ_",
    env_nested_delimiter="__",
    cli_exit_on_error=False,
    cli_avoid_json=True,
    cli_hide_none_type=True,
    cli_implicit_flags=True,
)


def read_settings_text(path: Path) -> str:
    """The text of a file of settings, of which no more is read than settings have.

    Raises:
        OSError, UnicodeDecodeError: it cannot be read.
        SettingsError: it is larger, or has more points in a line, than any.
    """
    with path.open("rb") as file:
        content = file.read(SETTINGS_BYTES + 1)
    if len(content) > SETTINGS_BYTES:
        raise SettingsError(f"{path} has more than {SETTINGS_BYTES:,} bytes, the most that a file of settings may have")
    if any(line.count(b".") > SETTINGS_DOTS for line in content.splitlines()):
        raise SettingsError(f"{path} has a line of more than {SETTINGS_DOTS:,} points, the most that settings may have")
    return content.decode("utf-8")


def read_toml(path: Path) -> dict[str, Any]:
    """The settings in a TOML file, their paths made absolute.

    Raises:
        SettingsError: the file is missing or no TOML.
    """
    try:
        content = tomllib.loads(read_settings_text(path))
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"--config {path} cannot be read: {error}") from error
    except ValueError as error:  # a `TOMLDecodeError`, or of numbers of too many digits
        raise SettingsError(f"--config {path} is no TOML: {error}") from error
    except RecursionError as error:
        raise SettingsError(f"--config {path} is nested too deep to be settings") from error
    return absolute_paths(content, path.absolute().parent)


def absolute_paths(raw: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """`raw` with every path setting made absolute: relative ones start from `base`."""

    def resolve(section: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
        return {
            name: _absolute(value, base, name) if name in names and isinstance(value, str) else value
            for name, value in section.items()
        }

    result = resolve(raw, {"config", "store", "summary", "output", "folder", "deployments", "csv", "page"})
    for name in ("inputs", "outputs"):
        if isinstance(result.get(name), list):
            result[name] = [_absolute(where, base, name) for where in result[name]]
    bundles = {name for name in ("model", "promote") if "/" in str(result.get(name))}  # named by their folders
    result = resolve(result, bundles)
    if isinstance(result.get("data"), Mapping):
        result["data"] = resolve(result["data"], _path_fields(FilesData))
    if isinstance(result.get("predict"), Mapping):
        result["predict"] = absolute_paths(result["predict"], base)
    for name, model in (("model", ModelSettings), ("training", TrainingSettings)):
        if isinstance(result.get(name), Mapping):
            result[name] = resolve(result[name], _path_fields(model))
    return result


_MAY_BE_URLS = {"store", "inputs", "output", "train", "validation", "test"}


def _absolute(path: str, base: Path, name: str) -> str:
    if is_url(path) and name in _MAY_BE_URLS:
        return check_url(path, name)
    if is_url(path):
        raise SettingsError(
            f"{name} is {without_credentials(path)!r}, a URL; expected a path: copy it here first, or mount it"
        )
    return str(base / Path(path).expanduser())


def from_checkout(settings: Section) -> dict[str, Any]:
    """What Prefect gave a flow, relative paths read from the checkout: a scheduled run has no folder of its own."""
    return absolute_paths(settings.model_dump(mode="json", exclude_unset=True), ROOT)


def _path_fields(model: type[BaseModel]) -> set[str]:
    return {
        name
        for name, field in model.model_fields.items()
        if field.annotation in (Path, Path | None, Where, Where | None)
    }


def _read_flags(model: type[Section], options: type[Options], word: str | None, argv: list[str]) -> dict[str, Any]:
    arguments = _arguments(model, options, word)
    flags = dict(flags_of(arguments, word))
    known = list(flags)
    switches = {name for name, field in flags.items() if field.annotation in (bool, bool | None)}
    words: list[str] = []
    parts = _switched([_with_underscores(part) for part in argv], switches)
    if word:
        words, parts = _words_apart(parts, switches)
    _refuse_sections(parts, known)
    try:
        given = dict(CliSettingsSource[Any](arguments, cli_parse_args=parts)())
    except SourceError as error:
        message = str(error).removeprefix("error parsing CLI: ")
        unknown = re.findall(r"--([\w.-]+)", message) if message.startswith("unrecognized") else []
        faults = [f"{_flag(name)} is not a flag{_hint(name, known)}" for name in unknown]
        raise SettingsError("\n".join(faults or [message]) + "; --help-all lists all flags") from error
    return _with_words(given, words, word, model.model_fields[word]) if word else given


_RENAMED = {"workers": "runner.workers", "plan": "dry_run"}


def _hint(name: str, known: list[str]) -> str:
    new = _RENAMED.get(name)
    return f"; it is now {_flag(new)}" if new in known else nearest(_flag(name), [*map(_flag, known)])


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _refuse_sections(words: list[str], known: list[str]) -> None:
    for word in words:
        name = word.removeprefix("--").split("=")[0]
        if word.startswith("--") and any(flag.startswith(f"{name}.") for flag in known):
            keys = ", ".join(_flag(flag) for flag in known if flag.startswith(f"{name}."))
            raise SettingsError(f"--{name} is a section and takes no value itself; set its keys: {keys}")


def _with_words(given: dict[str, Any], words: list[str], name: str, field: FieldInfo) -> dict[str, Any]:
    """What is given with the words of the command line as their setting takes them, which may be only one."""
    given.pop(name, None)
    if len(words) > 1 and not takes_many(field):
        raise SettingsError(f"expected one {name.upper()}, but {len(words)} were given: {', '.join(words)}")
    return {**given, name: words if takes_many(field) else words[0]} if words else given


def _switched(words: list[str], switches: set[str]) -> list[str]:
    """`--data.header false` and `--data.header=false` as the parser takes them: `--no-data.header`."""
    result: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals and result:
            name, value = result[-1], word
        chosen = value.lower()
        if name.startswith("--") and name.removeprefix("--") in switches and chosen in ("true", "false"):
            if not equals:
                result.pop()
            word = name if chosen == "true" else f"--no-{name.removeprefix('--')}"  # noqa: PLW2901
        result.append(word)
    return result


def _words_apart(parts: list[str], switches: set[str]) -> tuple[list[str], list[str]]:
    """The words that are no flags and no flag's value, and all else.

    The parser never sees the words: it would take one with a comma, or in brackets, for several.
    """
    words: list[str] = []
    flags: list[str] = []
    rest = iter(parts)
    for part in rest:
        if part == "--":  # all others are words, whatever they begin with
            words += rest
        elif not part.startswith("-"):
            words.append(part)
        else:
            flags.append(part)
            name = part.removeprefix("--").removeprefix("no-")
            if "=" not in part and name not in {*switches, "help"} and part != "-h":
                flags += [value for value in [next(rest, None)] if value is not None]
    return words, flags


def _with_underscores(word: str) -> str:
    if not word.startswith("--"):
        return word
    prefix = "--no-" if word.startswith("--no-") else "--"
    name, equals, value = word.removeprefix(prefix).partition("=")
    return f"{prefix}{name.replace('-', '_')}{equals}{value}"


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for name, value in above.items():
        if isinstance(value, Mapping) and isinstance(result.get(name), Mapping):
            result[name] = _merge(result[name], value)
        else:
            result[name] = value
    return result
