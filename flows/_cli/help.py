"""What `--help` prints, the settings that matter most, and `--help-all`: every one, in the group of its section.

Both are made from the models themselves, with their defaults.
"""

from __future__ import annotations

import argparse
import shutil
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import MaxLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from flows._cli.checkout import ROOT
from flows._server.flags import HELP, HELP_ALL

# Of each section; `{}` is where its flags are.
EXAMPLES = {
    "SyntheticData": "--{}problem sort --{}n-in 5 --{}n-samples 1000000",
    "FilesData": "--{}train pairs.csv --{}target answer --{}target-encoding words",
    "ModelSettings": "--{}units 256 --{}embedding 128",
    "TrainingSettings": "--{}epochs 20 --{}schedule cosine_decay --{}tensorboard logs",
    "DecodingSettings": "--{}method beam --{}beam-width 8",
    "TrainingChecks": "--{}max-conflicts 0.001 --{}fail conflicts --{}fail drift",
    "BatchChecks": "--{}max-unknown 0.2 --{}fail unknown",
    "EvaluationSettings": "--{}min-sequence-accuracy 0.6 --{}n-examples 20",
    "BatchSettings": "--{}inputs inbox --{}output predictions",
}
MOST_CHOICES = 30  # characters of choices that stand beside the flag; more are listed in the text
FLAG_COLUMN = 30
NOTE = """Keys {}are keys of a TOML file and environment variables too, written with _ : {}. Flags win
over the environment, which wins over the file. docs/settings.md lists all."""
_FIRST_NOTE = """--help-all lists all settings, and where else they are read from; so does docs/settings.md."""
OF_SECTIONS = NOTE.format("of sections ", "[data] n_in = 8, or SEQ2SEQ_DATA__N_IN=8")
OF_NONE = NOTE.format("", "{0}, or SEQ2SEQ_{1}")


def asks_for_help(argv: list[str]) -> bool:
    """Whether `--help` or `--help-all` is among the flags."""
    return bool((HELP | HELP_ALL) & _flags_of(argv))


def asks_for_all(argv: list[str]) -> bool:
    """Whether `--help-all` is among the flags."""
    return bool(HELP_ALL & _flags_of(argv))


def _flags_of(argv: list[str]) -> set[str]:
    return set(argv[: argv.index("--")] if "--" in argv else argv)


def help_text(
    program: str,
    description: str,
    model: type[BaseModel],
    options: type[BaseModel],
    title: str = "experiment",
    word: str | None = None,
    first: tuple[str, ...] = (),
    *,
    is_whole: bool = False,
) -> str:
    """The page.

    Args:
        program: as it is called.
        description: what it does; an example after `Example: ` is shown on a line of its own.
        model: the settings.
        options: what the command takes beside them.
        title: of the settings outside of any section.
        word: the setting that is not a flag but the words of the command line.
        first: the settings and options that matter most, in this order; none where all are few.
        is_whole: whether the page is about all of them nevertheless.
    """
    what, _, example = description.partition("Example: ")
    width = shutil.get_terminal_size().columns
    parser = argparse.ArgumentParser(
        usage=" ".join([program, *_needed(model, word), "[--KEY VALUE ...]"]),
        description=f"{what.strip()}\n\nexample:\n  {example}" if example else what,
        epilog=_note(model) if is_whole or not first else _FIRST_NOTE,
        formatter_class=lambda prog: _Formatter(prog, max_help_position=FLAG_COLUMN, width=width),
        add_help=False,
    )
    if first and not is_whole:
        _add_first(parser, first, model, options, word)
    else:
        _add_options(parser, options, has_first=bool(first))
        _add_section(parser, title, "", model, word)
        for section_title, prefix, section in _nested(model, ""):
            _add_section(parser, section_title, prefix, section)
    return parser.format_help()


def _add_first(
    parser: argparse.ArgumentParser,
    first: tuple[str, ...],
    model: type[BaseModel],
    options: type[BaseModel],
    word: str | None,
) -> None:
    fields = {**dict(flags_of(options)), **dict(flags_of(model))}
    needed = {line.split()[0] for line in _required(model)}
    group = parser.add_argument_group("the settings that matter most")
    for name in first:
        if name == word:
            _add_word(group, name, fields[name])
        else:  # what only some kinds of data need is not required here
            _add_field(group, name, fields[name], shows_need=f"--{name.replace('_', '-')}" in needed)
    _add_help(parser.add_argument_group("help"), has_first=True)


def _note(model: type[BaseModel]) -> str:
    if any(map(sections_of, model.model_fields.values())):
        return OF_SECTIONS
    name = next(iter(model.model_fields))
    return OF_NONE.format(name, name.upper())


def takes_many(field: FieldInfo) -> bool:
    """Whether a setting is a list."""
    return tuple in _parts(field.annotation)


def _needed(model: type[BaseModel], word: str | None) -> Iterator[str]:
    if word:
        field = model.model_fields[word]
        shown = f"{_word_name(word)}{'...' if takes_many(field) else ''}"
        yield shown if field.is_required() else f"[{shown}]"
    yield from _required(model, word)


def _word_name(word: str) -> str:
    return word.removesuffix("s").upper()


def _required(model: type[BaseModel], word: str | None = None, prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if not field.is_required() or name == word:
            continue
        if sections := sections_of(field):
            yield from _required(sections[0], prefix=f"{prefix}{name}.")
        else:
            yield f"--{prefix}{name.replace('_', '-')} {_metavar(field)}"


class _Formatter(argparse.HelpFormatter):
    """Paragraphs are filled to the width, and keep their breaks where a line is indented."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        def fill(part: str) -> str:
            if "\n  " in part:
                return textwrap.indent(part, indent)
            return super(_Formatter, self)._fill_text(part, width, indent)

        return "\n\n".join(map(fill, text.split("\n\n")))


def _add_options(parser: argparse.ArgumentParser, options: type[BaseModel], *, has_first: bool) -> None:
    group = parser.add_argument_group("options")
    _add_help(group, has_first=has_first)
    for name, field in options.model_fields.items():
        _add_field(group, name, field)


def _add_help(group: Any, *, has_first: bool) -> None:  # noqa: ANN401 - argparse's class is private
    about = "the settings that matter most" if has_first else "this page"
    group.add_argument("-h", "--help", action="help", help=f"show {about}")
    if has_first:
        group.add_argument("--help-all", action="help", help="show every setting")


def _nested(model: type[BaseModel], prefix: str) -> Iterator[tuple[str, str, type[BaseModel]]]:
    """Title, prefix of the flags, and model of each section."""
    for name, field in model.model_fields.items():
        parts = sections_of(field)
        for part in parts:
            kind = f" ({part.model_fields['kind'].default})" if len(parts) > 1 else ""
            yield f"{prefix}{name}{kind}", f"{prefix}{name}.", part
            yield from _nested(part, f"{prefix}{name}.")


def sections_of(field: FieldInfo) -> list[type[BaseModel]]:
    """The models of a field that is a section: two of the data, none of a single setting."""
    return [part for part in _parts(field.annotation) if isinstance(part, type) and issubclass(part, BaseModel)]


def flags_of(model: type[BaseModel], word: str | None = None, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every flag without its dashes, `_` for `-`, and its setting; the setting `word` has none."""
    for name, field in model.model_fields.items():
        if name == word:
            continue
        if sections := sections_of(field):
            for part in sections:
                yield from flags_of(part, prefix=f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def _add_section(
    parser: argparse.ArgumentParser, title: str, prefix: str, model: type[BaseModel], word: str | None = None
) -> None:
    about = str(model.__doc__).split("\n", maxsplit=1)[0]
    if example := EXAMPLES.get(model.__name__):
        about += f"\n\nexample:\n  {example.replace('{}', prefix)}"
    group = parser.add_argument_group(title, about if prefix else None)
    for name, field in model.model_fields.items():
        if name == word:
            _add_word(group, name, field)
        elif not sections_of(field) and field.description:  # `data.kind` follows from the others
            _add_field(group, f"{prefix}{name}", field)


def _add_word(group: Any, name: str, field: FieldInfo) -> None:  # noqa: ANN401 - as above
    group.add_argument(_word_name(name), nargs="*", help=_escaped(field.description or ""))


def _add_field(group: Any, name: str, field: FieldInfo, *, shows_need: bool = True) -> None:  # noqa: ANN401 - as above
    flag, choices = name.replace("_", "-"), choices_of(field)
    text = field.description or ""
    if bool in _parts(field.annotation):
        flags = [f"--{flag}"] if field.default is False else [f"--{flag}", f"--no-{flag}"]
        group.add_argument(*flags, action="store_true", help=_escaped(_with_default(text, field)))
        return
    listed = "{" + ",".join(choices) + "}"
    if choices and len(listed) > MOST_CHOICES and not all(choice in text for choice in choices):
        text = f"{text}; one of {', '.join(choices)}"
    metavar = listed if choices and len(listed) <= MOST_CHOICES else _metavar(field)
    about = _with_default(text, field) if shows_need or not field.is_required() else text
    group.add_argument(f"--{flag}", metavar=metavar, help=_escaped(about))


def _with_default(text: str, field: FieldInfo) -> str:
    """A default of None is what the description says in brackets; a switch is off unless it is asked for."""
    if field.default is PydanticUndefined:
        return f"{text} (required)" if field.is_required() else text
    if field.default is None or field.default is False or field.default == ():
        return text
    return f"{text} (default: {'yes' if field.default is True else shown_default(field)})"


def shown_default(field: FieldInfo) -> str:
    """The default as a person writes it, paths relative to the checkout."""
    return str(field.default).removeprefix(f"{ROOT}/")


def _metavar(field: FieldInfo) -> str:
    kinds = _parts(field.annotation)
    text = field.description or ""
    if isinstance(field.json_schema_extra, dict) and "metavar" in field.json_schema_extra:
        return str(field.json_schema_extra["metavar"])
    if Path in kinds:
        return "DIR" if text.startswith("folder") else "FILE"
    if int in kinds and str in kinds:
        return "COLUMN"
    if any(isinstance(rule, MaxLen) and rule.max_length == 1 for rule in field.metadata):
        return "CHAR"
    return next((name for kind, name in {float: "X", int: "N"}.items() if kind in kinds), "NAME")


def choices_of(field: FieldInfo) -> list[str]:
    """The values that a setting may have, where they are a few words; none where it may be anything."""
    return [str(part) for part in _parts(field.annotation) if not isinstance(part, type)]


def _parts(annotation: Any) -> list[Any]:  # noqa: ANN401 - whatever a field is annotated with
    """What a value may be: types, and the values of literals."""
    origin = get_origin(annotation)
    if origin is Literal:
        return list(get_args(annotation))
    if origin is Annotated:
        return _parts(get_args(annotation)[0])
    if origin is tuple:
        return [tuple, *_parts(get_args(annotation)[0])]
    if origin in (Union, types.UnionType):
        return [part for member in get_args(annotation) if member is not type(None) for part in _parts(member)]
    return [origin if isinstance(origin, type) else annotation]


def _escaped(text: str) -> str:
    return text.replace("%", "%%")
