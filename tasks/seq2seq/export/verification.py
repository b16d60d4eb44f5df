"""Whether an export answers as the trained model does, before it is published.

The model is given what an export decoded as its decoder input, as in training, and must say the same again: greedy
decoding takes the likeliest token at each step, so an export that decodes otherwise says one that is not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from tasks.seq2seq.arrays.sequences import Pairs, Rows, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.collate import source_array
from tasks.seq2seq.data.quantiles import VECTORS, by_output, in_output_order
from tasks.seq2seq.data.teacher_forcing import shift_right
from tasks.seq2seq.data.vocabulary import Vocabulary
from tasks.seq2seq.errors import ExportError
from tasks.seq2seq.inference.engine import Engine
from tasks.seq2seq.inference.search.step_by_step import decode_step_by_step, forecast
from tasks.seq2seq.models.encoder_decoder import split_encoded
from tasks.seq2seq.models.tensors import Tensor

# Sources that each export is verified on, or all where there are fewer.
N_VERIFIED = 1_000
# Sources of a batch at most; they are of like lengths, since all are padded to the longest.
MAX_BATCH = 1_000
# Logits of a batch are kept below this many numbers (256 MB), since those of all steps are needed at once.
MAX_LOGITS = 64_000_000
# How far apart two numbers may be by rounding alone, as a share of them where they are above 1: logits,
# log-probabilities, standardised vectors.
TOLERANCE = 1e-4

# Sources, as `feeding.Batch` describes them, to `tokens` `(batch, n_steps) int32` and `log_probability` `(batch,)`,
# or to standardised `vectors` `(batch, n_steps, features)`, and other quantiles likewise, by their names. Where the
# decoder is given what is known of each step beforehand, that comes behind the sources, `(batch, n_steps, known)`,
# standardised.
Decode = Callable[..., Mapping[str, Any]]
# Source and decoder input to the output of each step, as the training model.
Teacher = Callable[[Tensor, Tensor], Tensor]


def inference(encoder: keras.Model, decoder: keras.Model) -> Teacher:
    """The inference models as one that is taught: the decoder takes all steps at once."""

    def teach(source: Tensor, fed: Tensor) -> Tensor:
        state, memory = split_encoded(encoder(source), decoder)
        return decoder([fed, *state, *memory])[0]

    return teach


def engine_decode(engine: Engine, codecs: Codecs, n_steps: int) -> Decode:
    """The greedy decode as our own predictions make it, with the outputs of an export."""
    target = codecs.target
    if not isinstance(target, Vocabulary):
        return lambda source, ahead=None: by_output(
            forecast(engine.step, engine.encode(source), target.features, n_steps, ahead),
            engine.architecture.quantiles,
        )
    vocabulary = target

    def decode(source: NDArray[Any]) -> Mapping[str, Any]:
        found = decode_step_by_step(engine.step, engine.encode(source), vocabulary.start, n_steps, vocabulary.end)
        tokens = np.full((len(source), n_steps), 0 if vocabulary.end is None else vocabulary.end, np.int32)
        tokens[np.arange(n_steps) < found.tokens.lengths[:, None]] = found.tokens.values
        return {"tokens": tokens, "log_probability": found.log_probability}

    return decode


class Samples(NamedTuple):
    """Sources, and what is known of the steps behind them, `(n, steps, known)`; None where nothing is."""

    source: Sequences
    ahead: NDArray[np.float64] | None = None

    @classmethod
    def spread(cls, pairs: Pairs, n: int) -> Samples:
        """Those of `n` pairs at most, evenly over all lengths of sources, the shortest and the longest among them."""
        order = np.argsort(pairs.source.lengths, kind="stable")
        chosen = pairs.take(order[np.linspace(0, len(order) - 1, min(n, len(order))).astype(np.int64)])
        return cls(chosen.source, chosen.ahead)

    @classmethod
    def concatenate(cls, parts: Sequence[Samples]) -> Samples:
        """All samples of all parts; at least one part."""
        ahead = [part.ahead for part in parts if part.ahead is not None]
        return cls(Sequences.concatenate([part.source for part in parts]), np.concatenate(ahead) if ahead else None)


class Verifier:
    """Compares exports with a trained model on some sources.

    Tokens must be the likeliest ones of the model; where it holds several for equally likely, to `TOLERANCE`,
    rounding decides and each is right. Numbers must agree to `TOLERANCE`.
    """

    def __init__(self, teacher: Teacher, codecs: Codecs, samples: Samples, n_steps: int) -> None:
        """Takes the trained model, the sources to decode, and the time steps that exports decode at most."""
        self._n_steps, target = n_steps, codecs.target
        self._batches = list(_batches(samples, codecs, n_steps))
        # Which of the two, only a vocabulary's ids for start and end say.
        self._comparison = _Tokens(teacher, target) if isinstance(target, Vocabulary) else _Vectors(teacher)

    def check(self, name: str, decode: Decode) -> None:
        """Decodes the sources by an export, and compares.

        Raises:
            ExportError: it answers otherwise; with the first sample that it does so for.
        """
        with _exact():
            for source, *ahead in self._batches:
                answer = {key: np.asarray(value) for key, value in decode(source, *ahead).items()}
                found = self._shape_fault(answer, len(source)) or self._comparison.fault(source, answer, *ahead)
                if found:
                    row, difference = found
                    shown = np.array2string(source[row], threshold=20)
                    raise ExportError(
                        f"{name} answers otherwise than the trained model for the source {shown}: {difference}; "
                        "nothing is published. Run it again; if it says so again, take the versions of "
                        "requirements.lock"
                    )

    def _shape_fault(self, answer: Mapping[str, NDArray[Any]], n: int) -> tuple[int, str] | None:
        for key, value in answer.items():
            expected = (n,) if key == "log_probability" else (n, self._n_steps)
            if value.shape[: len(expected)] != expected:
                return 0, f"its {key} are of the shape {value.shape}, expected {expected} and more"
        return None


class _Tokens:
    """Compares tokens with the likeliest ones of the model."""

    def __init__(self, teacher: Teacher, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._graph = _traced(_token_graph(teacher))

    def fault(self, source: NDArray[Any], answer: Mapping[str, NDArray[Any]]) -> tuple[int, str] | None:
        """The first row whose tokens are not the model's, and what is wrong with it."""
        vocabulary, tokens = self._vocabulary, answer["tokens"]
        known = ((tokens >= 0) & (tokens < vocabulary.size)).all(1)
        if not known.all():
            row = int(np.argmin(known))
            return row, f"its tokens are {tokens[row]}, ids are below {vocabulary.size}"
        fed = shift_right(tokens, vocabulary.start)
        chosen, best, total = (part.numpy() for part in self._graph(source, fed, tokens))
        taken = np.ones_like(tokens, np.bool_)
        if vocabulary.end is not None:  # a step is taken up to the first end, which stands in all the others
            taken[:, 1:] = np.cumsum(tokens == vocabulary.end, axis=1)[:, :-1] == 0
        is_likeliest = best - chosen <= _rounding(best)
        right = np.where(taken, is_likeliest, tokens == vocabulary.end)
        if vocabulary.end is not None:  # the last step can only be an end, which counts if the model says it
            right[:, -1] = tokens[:, -1] == vocabulary.end
            taken[:, -1] &= is_likeliest[:, -1]
        expected = ((chosen - total) * taken).sum(1)
        # Each step may be off: where a model hardly knows, rounding grows from one to the next, in Keras' answer too.
        allowed = np.maximum(_rounding(expected), TOLERANCE * taken.sum(1))
        near = np.abs(answer["log_probability"] - expected) <= allowed
        fine = right.all(1) & near
        if fine.all():
            return None
        row = int(fine.argmin())
        if right[row].all():
            return row, f"its log-probability is {answer['log_probability'][row]}, expected {expected[row]}"
        return row, f"of its tokens {tokens[row]}, the one of step {right[row].argmin() + 1} is not the likeliest"


class _Vectors:
    """Compares vectors with those that the model gives behind them."""

    def __init__(self, teacher: Teacher) -> None:
        self._graph = _traced(teacher)

    def fault(
        self, source: NDArray[Any], answer: Mapping[str, NDArray[Any]], *ahead: NDArray[Any]
    ) -> tuple[int, str] | None:
        """The first row whose vectors are not the model's, and what is wrong with it."""
        vectors, found = answer[VECTORS], in_output_order(answer)
        before = np.concatenate([np.zeros_like(vectors[:, :1]), vectors[:, :-1]], axis=1)
        fed = np.concatenate([before, *ahead], axis=2)
        expected = self._graph(source, fed).numpy()
        if found.shape != expected.shape:
            return 0, f"its numbers are of the shape {found.shape} in all, expected {expected.shape}"
        near = (np.abs(found - expected) <= _rounding(expected)).all((1, 2))
        if near.all():
            return None
        row = int(near.argmin())
        return row, f"its vectors are {found[row].tolist()}, expected {expected[row].tolist()}"


def _traced(function: Callable[..., Any]) -> Callable[..., Any]:
    graph: Callable[..., Any] = tf.function(function, autograph=False, reduce_retracing=True)
    return graph


def _token_graph(teacher: Teacher) -> Callable[..., Any]:
    def graph(source: Tensor, fed: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The logits of the tokens and of the likeliest ones, and of all together, `(batch, n_steps) float32`."""
        logits = teacher(source, fed)  # batch x n_steps x vocabulary
        chosen = tf.gather(logits, tokens, batch_dims=2)
        return chosen, tf.reduce_max(logits, axis=-1), tf.reduce_logsumexp(logits, axis=-1)

    return graph


def _rounding(numbers: NDArray[Any]) -> NDArray[Any]:
    allowed: NDArray[Any] = TOLERANCE * np.maximum(1, np.abs(numbers))
    return allowed


def _batches(samples: Samples, codecs: Codecs, n_steps: int) -> Iterator[list[NDArray[Any]]]:
    """The sources by their length, in batches whose logits stay within bounds, and what is known behind them."""
    sources, known = samples.source, codecs.standardised_ahead(samples.ahead)
    order: Rows = np.argsort(sources.lengths, kind="stable")
    width = codecs.target.size or codecs.target.features
    size = max(1, min(MAX_BATCH, MAX_LOGITS // (width * n_steps)))
    for first in range(0, len(order), size):
        rows = order[first : first + size]
        yield [source_array(sources.take(rows), codecs.source), *([] if known is None else [known[rows]])]


@contextlib.contextmanager
def _exact() -> Iterator[None]:
    """Graphs that run meanwhile are not rewritten, which would take longer than to run them once, nor rounded more.

    With TensorFloat-32, which newer GPUs multiply in unless told otherwise, two ways to decode differ by more than
    `TOLERANCE`.
    """
    rewriting = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    rounding = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": rewriting})
        tf.config.experimental.enable_tensor_float_32_execution(rounding)
