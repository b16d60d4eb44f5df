"""The graphs compute what the Keras models compute whose weights they were written from: every kind, on each side."""

import itertools
from typing import Any, NamedTuple

import keras
import numpy as np
import pytest

from tasks.seq2seq.export.keras_weights import keras_weights
from tasks.seq2seq.inference.search.step_by_step import decode_step_by_step, forecast
from tasks.seq2seq.models.encoder_decoder import build_models, split_encoded
from tasks.seq2seq.settings.architecture import Architecture, Side
from tests.helpers.engines import engine_of
from tests.helpers.keras_engines import engine_of_models
from tests.helpers.kinds import KINDS, drawn_kinds, settings_of

TOKENS, FEATURES = 9, 2
START, N_ROWS, LONGEST, N_STEPS = 1, 300, 6, 5
TOLERANCE = 1e-5
# A norm over so few units magnifies rounding: half of the last bit of the weights makes as much of a difference.
TOLERANCE_OF_NORMS = 1e-4
CLOSE = 1e-4  # two logits that are as good as equal
SIDES = {
    "tokens": (Side(TOKENS), Side(TOKENS)),
    "vectors to tokens": (Side(features=FEATURES), Side(TOKENS)),
    "tokens to vectors": (Side(TOKENS), Side(features=FEATURES)),
    "vectors": (Side(features=FEATURES), Side(features=FEATURES)),
    "vectors to quantiles": (Side(features=FEATURES), Side(features=FEATURES)),
}
QUANTILES = {"vectors to quantiles": (0.05, 0.1, 0.5, 0.75, 0.9)}
# Of the default suite; together they have every operation that a graph may hold.
FEW = {
    ("plain", "vectors", True),
    ("plain", "vectors to quantiles", True),
    ("deeper decoder", "tokens to vectors", False),
    ("general attention", "vectors to tokens", True),
    ("bidirectional with dot attention", "tokens", False),
    ("input feeding", "tokens", True),
    ("bahdanau", "tokens", True),
    ("one table of embeddings", "tokens", True),
}


def fits(kind, sides):
    """Embeddings are of tokens: a side of vectors has none to share or to tie."""
    source, target = SIDES[sides]
    needs_target = kind.get("tie_embeddings") or kind.get("share_embeddings")
    return not (needs_target and not target.vocabulary) and not (kind.get("share_embeddings") and not source.vocabulary)


def every_subject():
    drawn = {f"drawn {number}": kind for number, kind in enumerate(itertools.islice(drawn_kinds(), 20))}
    for (name, kind), sides, masked in itertools.product({**KINDS, **drawn}.items(), SIDES, (True, False)):
        if fits(kind, sides):
            marks = [] if (name, sides, masked) in FEW else [pytest.mark.exhaustive]
            words = f"{name}, {sides}{'' if masked else ', not masked'}"
            yield pytest.param((kind, *SIDES[sides], masked, QUANTILES.get(sides, ())), id=words, marks=marks)


class Subject(NamedTuple):
    """A model in Keras, the engine that takes its place, and sources of random lengths."""

    architecture: Architecture
    models: Any
    engine: Any
    source: Any

    @property
    def tolerance(self):
        return TOLERANCE_OF_NORMS if self.architecture.settings.layer_norm else TOLERANCE


@pytest.fixture(scope="module", params=every_subject())
def subject(request):
    kind, source, target, masked, quantiles = request.param
    architecture = Architecture(source, target, masked, settings_of(kind), quantiles=quantiles).without_dropout()
    keras.utils.set_random_seed(0)
    models, rng = build_models(architecture), np.random.default_rng(0)
    for weight in models.train.trainable_weights:  # biases and norms too, which begin with zeros and ones
        spread = 1.0 if weight.name == "embeddings" else 0.3
        weight.assign(weight + rng.normal(0, spread, weight.shape).astype(np.float32))
    return Subject(architecture, models, engine_of_models(architecture, models), sources(architecture, rng))


def sources(architecture, rng):
    """As a codec would give them; padded where padding is known."""
    lengths = rng.integers(1 if architecture.masked else LONGEST, LONGEST + 1, (N_ROWS, 1))
    is_there = np.arange(LONGEST) < lengths
    if architecture.source.vocabulary:
        return rng.integers(1, TOKENS, is_there.shape, dtype=np.int32) * is_there
    values = rng.normal(0, 1, (*is_there.shape, FEATURES)).astype(np.float32) * is_there[..., None]
    values[::3, 0] = 0  # a step of zeros is there like any other
    marks = is_there[..., None].astype(np.float32)
    return np.concatenate([values, marks], axis=2) if architecture.masked else values


def log_softmax(logits):
    shifted = np.asarray(logits, np.float64) - np.max(logits, axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def encoded(subject):
    return split_encoded(subject.models.encoder(subject.source), subject.models.decoder)


def test_the_encoder_gives_the_state_and_the_memory_of_keras_encoder(subject):
    state, memory = encoded(subject)
    found = subject.engine.encode(subject.source)
    for part, expected in zip([*found.state, *found.memory], [*state, *memory], strict=True):
        assert part.dtype == np.asarray(expected).dtype
        np.testing.assert_allclose(
            np.asarray(part, np.float64), np.asarray(expected, np.float64), atol=subject.tolerance
        )


def test_steps_give_the_output_the_state_and_the_attention_of_keras_decoder(subject):
    """Of one step after another, each from the state that the one before gave."""
    rng, target = np.random.default_rng(1), subject.architecture.target
    (state, memory), (ours, our_memory) = encoded(subject), subject.engine.encode(subject.source)
    for _ in range(3):
        fed = (
            rng.integers(1, TOKENS, N_ROWS, dtype=np.int32)
            if target.vocabulary
            else rng.normal(0, 1, (N_ROWS, FEATURES)).astype(np.float32)
        )
        output, *rest = subject.models.decoder([keras.ops.convert_to_tensor(fed[:, None]), *state, *memory])
        state, weights = rest[: len(state)], rest[len(state) :]
        for expected in weights:
            attention, _ = subject.engine.attend(fed, ours, our_memory)
            np.testing.assert_allclose(attention, np.asarray(expected)[:, 0], atol=subject.tolerance)
        found, ours = subject.engine.step(fed, ours, our_memory)
        expected = np.asarray(output)[:, 0]
        expected = log_softmax(expected) if target.vocabulary else expected
        np.testing.assert_allclose(found, expected, atol=subject.tolerance)
        for part, other in zip(ours, state, strict=True):
            np.testing.assert_allclose(part, other, atol=subject.tolerance)


def free_running(subject):
    """What Keras decodes: tokens with how much better each is than the next best, or vectors."""
    (state, memory), target = encoded(subject), subject.architecture.target
    last = np.full((N_ROWS, 1), START, np.int32) if target.vocabulary else np.zeros((N_ROWS, 1, FEATURES), np.float32)
    said, margins = [], []
    for _ in range(N_STEPS):
        output, *rest = subject.models.decoder([keras.ops.convert_to_tensor(last), *state, *memory])
        last, state = np.asarray(output), rest[: len(state)]
        if target.vocabulary:
            best = np.sort(last[:, 0], axis=1)
            margins.append(best[:, -1] - best[:, -2])
            last = last.argmax(axis=2).astype(np.int32)
            said.append(last[:, 0])
            continue
        said.append(last[:, 0])
        last = last[..., :FEATURES]  # of quantiles, the median
    return np.stack(said, axis=1), np.array(margins)


def test_decoded_from_start_to_end_they_say_the_same(subject):
    """But for rows where two tokens are as good as equal."""
    expected, margins = free_running(subject)
    encoded = subject.engine.encode(subject.source)
    if not subject.architecture.target.vocabulary:
        np.testing.assert_allclose(
            forecast(subject.engine.step, encoded, FEATURES, N_STEPS), expected, atol=subject.tolerance
        )
        return
    found = decode_step_by_step(subject.engine.step, encoded, START, N_STEPS).tokens.padded()
    is_clear = (margins > CLOSE).all(axis=0)
    assert is_clear.mean() > 0.95
    assert found[is_clear].tolist() == expected[is_clear].tolist()
    assert len(np.unique(margins)) > 1_000


def test_the_training_model_has_the_same_weights_as_the_inference_models(subject):
    """Which alone are saved; a model that goes on training is written from the other."""
    architecture, models = subject.architecture, subject.models
    engine = engine_of(architecture, keras_weights(architecture, models.train))
    found, expected = (one.encode(subject.source) for one in (engine, subject.engine))
    for part, other in zip([*found.state, *found.memory], [*expected.state, *expected.memory], strict=True):
        assert np.array_equal(part, other)
