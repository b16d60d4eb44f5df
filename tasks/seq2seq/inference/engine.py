"""Runs the two graphs of a model, the encoder and a step of the decoder, on ONNX Runtime.

Only graphs that this project writes are run: `load_graph` refuses all others by name. A session uses one thread, since
the products of a step are too small to share; callers run batches side by side instead, and may share an engine.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tasks.seq2seq.inference.graphs.tensor_types import (
    ATTENTION,
    OUTPUT,
    SOURCE,
    encoded_types,
    following,
    step_inputs,
)
from tasks.seq2seq.inference.search.step_function import Array, Arrays, Encoded
from tasks.seq2seq.settings.architecture import Architecture, memory_names, state_names

if TYPE_CHECKING:
    import onnxruntime


# What runs operations, the best first: onnxruntime-gpu in place of onnxruntime has the first one too.
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


class Engine:
    """A model ready to run."""

    def __init__(self, architecture: Architecture, encoder: bytes, step: bytes) -> None:
        """Takes what the graphs are of, and the graphs, as `graph_check` has found them to be ours."""
        self.architecture = architecture
        self._encoder, self._step = _session(encoder), _session(step)
        self._encoded = list(encoded_types(architecture))
        self._n_states = len(state_names(architecture.settings))
        self._given = list(step_inputs(architecture))
        self._results = [OUTPUT, *map(following, state_names(architecture.settings))]

    @property
    def provider(self) -> str:
        """What runs the operations, as ONNX Runtime calls it."""
        name: str = self._step.get_providers()[0]
        return name

    @cached_property
    def attends(self) -> bool:
        """Whether the decoder attends to the encoder's outputs."""
        return self.architecture.settings.attends

    @cached_property
    def memory_size(self) -> int:
        """Numbers that the decoder keeps of each step of a source, 0 without attention."""
        settings = self.architecture.settings
        widths = {"memory": settings.memory_width, "memory_keys": settings.decoder_width}
        return sum(widths.get(name, 0) for name in memory_names(settings))

    @cached_property
    def state_size(self) -> int:
        """Numbers of the decoder's first state that the encoder gives."""
        settings = self.architecture.settings
        return settings.decoder_width * (self._n_states - settings.feeds_input)

    def encode(self, source: NDArray[Any]) -> Encoded:
        """The decoder's first state and the memory of sources, as a codec's `source_array` makes them; at least one."""
        found = self._encoder.run(self._encoded, {SOURCE: self._lengthened(source)})
        return Encoded(found[: self._n_states], found[self._n_states :])

    def _lengthened(self, source: NDArray[Any]) -> NDArray[Any]:
        """The sources with a step of padding where they would have one step only; see `encoder_graph`."""
        if source.shape[1] > 1 or not self.architecture.masked:
            return source
        return np.concatenate([source, np.zeros_like(source)], axis=1)

    def step(self, fed: Array, state: Arrays, memory: Arrays) -> tuple[NDArray[np.float32], Arrays]:
        """A step of the decoder; see `StepFunction`."""
        output, *after = self._step.run(self._results, self._feed(fed, state, memory))
        return output, after

    def attend(self, fed: Array, state: Arrays, memory: Arrays) -> tuple[NDArray[np.float32], Arrays]:
        """The attention weights of a step, `(rows, source_length)`, of one hypothesis a source, and the next state."""
        weights, *after = self._step.run([ATTENTION, *self._results[1:]], self._feed(fed, state, memory))
        return weights[:, 0], after

    def _feed(self, fed: Array, state: Arrays, memory: Arrays) -> dict[str, Array]:
        return dict(zip(self._given, [fed, *state, *memory], strict=True))


def _session(graph: bytes) -> onnxruntime.InferenceSession:
    import onnxruntime  # noqa: PLC0415 - only a process that predicts needs it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    there = onnxruntime.get_available_providers()
    return onnxruntime.InferenceSession(graph, options, providers=[name for name in PROVIDERS if name in there])
