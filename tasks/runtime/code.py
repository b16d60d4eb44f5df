"""The code that a step's result depends on: its module, and all that this reaches by imports.

It is read from the text of the modules and not from what a process has loaded, so that a step has one key wherever it
is asked for. Imports inside functions count, those for the type checker do not. A file that is no module, such as a
template, counts where a module names it.
"""

from __future__ import annotations

import functools
import hashlib
import io
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tasks.runtime.code_cache import CodeCache

ROOT = Path(__file__).parent.parent.parent
PACKAGE = "tasks"
TEMPLATE = ".jinja"
# What changes no result: words, places, how a step runs, and settings, whose values are in the keys.
LEFT_OUT = ("tasks.runtime", "tasks.seq2seq.errors", "tasks.seq2seq.settings", "tasks.storage.store")

_BLOCKS = (tokenize.INDENT, tokenize.DEDENT, tokenize.NEWLINE)  # what they are counts, not how they are written
_LAYOUT = (tokenize.COMMENT, tokenize.NL)


class Import(NamedTuple):
    """`import module`, or `from module import names`."""

    module: str
    names: tuple[str, ...] = ()


class Source(NamedTuple):
    """A file of code.

    digest: of what it does: of Python's tokens without comments and layout, else of its text.
    imports: what it imports, in any of its functions too.
    words: the texts that it holds which may be names of templates.
    """

    digest: str
    imports: tuple[Import, ...] = ()
    words: frozenset[str] = frozenset()


class CodeTree:
    """The modules and templates below a checkout's `tasks/`, each read once."""

    def __init__(self, root: Path = ROOT) -> None:
        """Takes the checkout."""
        self._modules = {
            ".".join(path.relative_to(root).with_suffix("").parts): path for path in (root / PACKAGE).rglob("[!_]*.py")
        }
        self._templates = {path.name: path for path in (root / PACKAGE).rglob(f"*{TEMPLATE}")}
        self._sources: dict[Path, Source] = {}
        self._cache = CodeCache(root / Path(__file__).relative_to(ROOT), _read_plainly)

    def digest(self, module: str) -> str:
        """The digest of a module and of all that it reaches, such as `tasks.train`."""
        reached = sorted(self.reach(module).items())
        self._cache.save()
        return _digest("\0".join(f"{name}\0{self._read(path).digest}" for name, path in reached))

    def reach(self, module: str) -> dict[str, Path]:
        """The files that a module reaches, itself included, by the names of modules and of templates.

        Raises:
            KeyError: there is no such module.
        """
        reached: dict[str, Path] = {}
        waiting = [(module, self._modules[module])]
        while waiting:
            name, path = waiting.pop()
            if name not in reached:
                reached[name] = path
                waiting += self._named_in(self._read(path))
        return reached

    def forget(self, path: Path) -> None:
        """Reads a file again when it is next asked for."""
        self._sources.pop(path, None)

    def _named_in(self, source: Source) -> Iterator[tuple[str, Path]]:
        for module in _candidates(source.imports):
            if module in self._modules and not any(module == out or module.startswith(f"{out}.") for out in LEFT_OUT):
                yield module, self._modules[module]
        yield from ((word, self._templates[word]) for word in source.words & self._templates.keys())

    def _read(self, path: Path) -> Source:
        if path not in self._sources:
            digest, imports, words = self._cache.find(path)
            every = tuple(Import(module, tuple(names)) for module, names in imports)
            self._sources[path] = Source(digest, every, frozenset(words))
        return self._sources[path]


def _read_plainly(path: Path) -> tuple[str, tuple[Import, ...], list[str]]:
    """A file of code as JSON can hold it."""
    text = path.read_text(encoding="utf-8")
    digest, imports, words = read_source(text) if path.suffix == ".py" else Source(_digest(text))
    return digest, imports, sorted(words)


def _candidates(imports: Iterable[Import]) -> Iterator[str]:
    """What may be a module: `from a import b` names one, or what is in one."""
    for module, names in imports:
        yield module
        yield from (f"{module}.{name}" for name in names)


@functools.cache
def code_digest(module: str) -> str:
    """The digest of the code that a module's results depend on, as it lies in this checkout."""
    return _this_checkout().digest(module)


@functools.cache
def _this_checkout() -> CodeTree:
    return CodeTree()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def read_source(text: str) -> Source:
    """What a module does, imports and names.

    By tokens, not by a syntax tree: before Python 3.11.8 and 3.12.2 making one fails now and then while another thread
    makes one (CPython's issue 106905), and libraries are imported by a thread.
    """
    tokens = [token for token in tokenize.generate_tokens(io.StringIO(text).readline) if token.type not in _LAYOUT]
    content = "\0".join(tokenize.tok_name[token.type] if token.type in _BLOCKS else token.string for token in tokens)
    texts = (token.string.strip("\"'") for token in tokens if token.type == tokenize.STRING)
    return Source(
        _digest(content), tuple(_imports(tokens)), frozenset(text for text in texts if text.endswith(TEMPLATE))
    )


def _imports(tokens: Iterable[tokenize.TokenInfo]) -> Iterator[Import]:
    """All but those below `if TYPE_CHECKING:`."""
    typing_depth: int | None = None
    for depth, words in _statements(tokens):
        if typing_depth is not None and depth <= typing_depth:
            typing_depth = None
        if words[:3] == ["if", "TYPE_CHECKING", ":"]:
            typing_depth = depth
        elif typing_depth is None and words[0] == "import":
            yield from (Import(name) for name in _names(words[1:]))
        elif typing_depth is None and words[0] == "from" and "import" in words:
            at = words.index("import")
            yield Import("".join(words[1:at]), tuple(_names(words[at + 1 :])))


def _statements(tokens: Iterable[tokenize.TokenInfo]) -> Iterator[tuple[int, list[str]]]:
    """Each statement's words, and how deep it is indented."""
    depth, words = 0, list[str]()
    for token in tokens:
        if token.type == tokenize.INDENT:
            depth += 1
        elif token.type == tokenize.DEDENT:
            depth -= 1
        elif token.type != tokenize.NEWLINE:
            words.append(token.string)
        elif words:
            yield depth, words
            words = []


def _names(words: list[str]) -> Iterator[str]:
    """`a.b as c, d` without what they are called here: a.b, d."""
    for part in " ".join(word for word in words if word not in "()").split(","):
        if name := part.split(" as ")[0].replace(" ", ""):
            yield name
