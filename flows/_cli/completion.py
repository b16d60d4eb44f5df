"""A script for bash and zsh that completes commands, flags and their values.

It is made from the models once, so that no key press waits for Python.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic.fields import FieldInfo

from flows._cli.command import Command
from flows._cli.help import choices_of, flags_of

_SCRIPT = """\
# Completes `python -m flows.COMMAND` in bash and zsh. Made by `python -m flows completion`; source it in your shell's
# start-up file, and make it again after an update.
[ -n "${{ZSH_VERSION-}}" ] && autoload -U +X compinit bashcompinit && compinit && bashcompinit
_nightly_seq2seq() {{
    local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} words=
    [ "${{COMP_WORDS[1]}}" = -m ] || return 0
    if [ "$COMP_CWORD" = 2 ]; then
        COMPREPLY=($(compgen -W "{modules}" -- "$word"))
        return
    fi
    case ${{COMP_WORDS[2]}} in
{commands}
    *) return 0 ;;
    esac
    case ${{COMP_WORDS[2]}}:$before in
{values}
    *:--*) [[ $word = -* ]] || return 0 ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o bashdefault -o default -F _nightly_seq2seq python python3 .venv/bin/python
"""


def completion_script(commands: Iterable[Command[Any, Any]]) -> str:
    """The script; what it does not know, such as the name of a file, is completed as the shell does otherwise."""
    known = list(commands)
    return _SCRIPT.format(
        modules=" ".join(f"flows.{command.name}" for command in known),
        commands="\n".join(map(_flags_case, known)),
        values="\n".join(line for command in known for line in _value_cases(command)),
    )


def _flags_case(command: Command[Any, Any]) -> str:
    flags = " ".join(["--help", "--help-all", *(flag for flag, _ in _fields(command))])
    return f"    flows.{command.name}) words={shlex.quote(flags)} ;;"


def _value_cases(command: Command[Any, Any]) -> Iterator[str]:
    for flag, field in _fields(command):
        if choices := choices_of(field):
            yield f"    flows.{command.name}:{flag}) words={shlex.quote(' '.join(choices))} ;;"


def _fields(command: Command[Any, Any]) -> Iterator[tuple[str, FieldInfo]]:
    for model in (command.options, command.tree.model):
        for name, field in flags_of(model, command.tree.word):
            if field.description:  # `data.kind` follows from the others
                yield f"--{name.replace('_', '-')}", field
