"""`python -m flows` lists the commands; `python -m flows completion` completes them in a shell."""

from __future__ import annotations

import importlib
import pkgutil
import sys
from typing import Any

if __name__ == "__main__" and not __package__:  # `python flows` cannot import what is ours
    print("refused: in the folder of the checkout, type: python -m flows", file=sys.stderr)
    sys.exit(2)

from flows._cli import commands
from flows._cli.command import EXIT_REFUSED, EXIT_SUCCESS, Command, say
from flows._cli.completion import completion_script
from flows._cli.help import asks_for_help
from tasks.seq2seq.settings.rules import nearest


def all_commands() -> list[Command[Any, Any]]:
    """What each module of flows/ can be asked for, by its name."""
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    return [importlib.import_module(f"{commands.__name__}.{name}").COMMAND for name in names]


def main(argv: list[str]) -> int:
    """Lists the commands, or prints the script that completes them; other words are refused. Gives the exit code."""
    known = {command.name: command for command in all_commands()}
    if argv == ["completion"]:
        print(completion_script(known.values()), end="")
        return EXIT_SUCCESS
    if argv and not asks_for_help(argv):
        say(f"refused: {_how_to_call(argv[0], list(known))}")
        return EXIT_REFUSED
    width = max(len(command.program) for command in known.values())
    for command in known.values():
        print(f"{command.program:<{width}}  {command.purpose}")
    print("\nEach takes --help, and --help-all. `python -m flows completion` prints what completes them in a shell.")
    return EXIT_SUCCESS


def _how_to_call(word: str, known: list[str]) -> str:
    name = word.replace("-", "_")
    if name in known:
        return f"{name} is called as python -m flows.{name}"
    return f"{word} is not a command{nearest(name, known)}; python -m flows lists them"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
