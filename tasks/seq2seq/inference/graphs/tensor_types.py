"""Names, element types and sizes of what goes into the two graphs and comes out, in order."""

from __future__ import annotations

from tasks.seq2seq.settings.architecture import Architecture, memory_names, state_names

Name = str  # of a tensor in a graph
Type = tuple[int, tuple[int | str, ...]]  # element type and sizes, those by a name only known when it runs
FLOAT, INT32, INT64, BOOL = 1, 6, 7, 9  # element types, by their numbers in ONNX
BYTES = {FLOAT: 4, INT64: 8}  # a number, of those that constants are made of

SOURCE, FED, OUTPUT, ATTENTION = "source", "fed", "output", "attention"
# Sizes that are known when it runs: sources of a batch; hypotheses of all sources, which go through a step together,
# source by source; hypotheses of one source; steps of a source.
SOURCES, ROWS, HYPOTHESES, LENGTH = "sources", "rows", "hypotheses", "source_length"


def source_type(architecture: Architecture) -> dict[Name, Type]:
    """What the encoder is given."""
    side = architecture.source
    if side.vocabulary:
        return {SOURCE: (INT32, (SOURCES, LENGTH))}
    return {SOURCE: (FLOAT, (SOURCES, LENGTH, side.features + architecture.masked))}


def state_types(architecture: Architecture, rows: str = ROWS) -> dict[Name, Type]:
    """The decoder's state."""
    width = architecture.settings.decoder_width
    return dict.fromkeys(state_names(architecture.settings), (FLOAT, (rows, width)))


def memory_types(architecture: Architecture) -> dict[Name, Type]:
    """What the decoder looks back at."""
    settings = architecture.settings
    widths = {"memory": settings.memory_width, "memory_keys": settings.decoder_width}
    return {
        name: (FLOAT, (SOURCES, LENGTH, widths[name])) if name in widths else (BOOL, (SOURCES, LENGTH))
        for name in memory_names(settings)
    }


def encoded_types(architecture: Architecture) -> dict[Name, Type]:
    """What the encoder gives."""
    return {**state_types(architecture, SOURCES), **memory_types(architecture)}


def step_inputs(architecture: Architecture) -> dict[Name, Type]:
    """What a step of the decoder is given."""
    side = architecture.target
    fed: Type = (INT32, (ROWS,)) if side.vocabulary else (FLOAT, (ROWS, architecture.fed))
    return {FED: fed, **state_types(architecture), **memory_types(architecture)}


def step_outputs(architecture: Architecture) -> dict[Name, Type]:
    """What a step of the decoder gives; the names of its state begin with `next_`."""
    width = architecture.target.vocabulary or architecture.outputs
    states = {following(name): kind for name, kind in state_types(architecture).items()}
    attention: dict[Name, Type] = {ATTENTION: (FLOAT, (SOURCES, HYPOTHESES, LENGTH))}
    return {OUTPUT: (FLOAT, (ROWS, width)), **states, **(attention if architecture.settings.attends else {})}


def following(name: Name) -> Name:
    """The name of a part of the state after a step."""
    return f"next_{name}"
