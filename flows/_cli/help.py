"""What `--help` prints: every setting in the group of its section, with its default, from the models themselves."""

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
OF_SECTIONS = NOTE.format("of sections ", "[data] n_in = 8, or SEQ2SEQ_DATA__N_IN=8")
OF_NONE = NOTE.format("", "{0}, or SEQ2SEQ_{1}")


def asks_for_help(argv: list[str]) -> bool:
    """Whether `--help` is among the flags."""
    flags = argv[: argv.index("--")] if "--" in argv else argv
    return bool({"-h", "--help"} & set(flags))


def help_text(
    program: str,
    description: str,
    model: type[BaseModel],
    options: type[BaseModel],
    title: str = "experiment",
    word: str | None = None,
) -> str:
    """The page.

    Args:
        program: as it is called.
        description: what it does; an example after `Example: ` is shown on a line of its own.
        model: the settings.
        options: what the command takes beside them.
        title: of the settings outside of any section.
        word: the setting that is no flag but the words of the command line.
    """
    what, _, example = description.partition("Example: ")
    width = shutil.get_terminal_size().columns
    parser = argparse.ArgumentParser(
        usage=" ".join([program, *_needed(model, word), "[--KEY VALUE ...]"]),
        description=f"{what.strip()}\n\nexample:\n  {example}" if example else what,
        epilog=_note(model),
        formatter_class=lambda prog: _Formatter(prog, max_help_position=FLAG_COLUMN, width=width),
        add_help=False,
    )
    _add_options(parser, options)
    _add_section(parser, title, "", model, word)
    for section_title, prefix, section in _nested(model, ""):
        _add_section(parser, section_title, prefix, section)
    return parser.format_help()


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


def _add_options(parser: argparse.ArgumentParser, options: type[BaseModel]) -> None:
    group = parser.add_argument_group("options")
    group.add_argument("-h", "--help", action="help", help="show this page")
    for name, field in options.model_fields.items():
        _add_field(group, name, field)


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


def _add_section(
    parser: argparse.ArgumentParser, title: str, prefix: str, model: type[BaseModel], word: str | None = None
) -> None:
    about = str(model.__doc__).split("\n", maxsplit=1)[0]
    if example := EXAMPLES.get(model.__name__):
        about += f"\n\nexample:\n  {example.replace('{}', prefix)}"
    group = parser.add_argument_group(title, about if prefix else None)
    for name, field in model.model_fields.items():
        if name == word:
            group.add_argument(_word_name(word), nargs="*", help=_escaped(field.description or ""))
        elif not sections_of(field) and field.description:  # `data.kind` follows from the others
            _add_field(group, f"{prefix}{name}", field)


def _add_field(group: Any, name: str, field: FieldInfo) -> None:  # noqa: ANN401 - argparse's class is private
    flag, choices = name.replace("_", "-"), _choices(field)
    text = field.description or ""
    if bool in _parts(field.annotation):
        flags = [f"--{flag}"] if field.default is False else [f"--{flag}", f"--no-{flag}"]
        group.add_argument(*flags, action="store_true", help=_escaped(_with_default(text, field)))
        return
    listed = "{" + ",".join(choices) + "}"
    if choices and len(listed) > MOST_CHOICES and not all(choice in text for choice in choices):
        text = f"{text}; one of {', '.join(choices)}"
    metavar = listed if choices and len(listed) <= MOST_CHOICES else _metavar(field)
    group.add_argument(f"--{flag}", metavar=metavar, help=_escaped(_with_default(text, field)))


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


def _choices(field: FieldInfo) -> list[str]:
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
