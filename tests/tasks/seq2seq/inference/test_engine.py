import threading
from typing import Any

import numpy as np
import pytest

from tasks.seq2seq.settings.architecture import Architecture, Side, memory_names, state_names
from tests.helpers.kinds import KINDS, settings_of
from tests.helpers.random_models import random_engine

SIDE, VECTORS = Side(9), Side(features=2)


def engine(*, source=SIDE, target=SIDE, masked=True, is_single=False, **kind):
    architecture = Architecture(source, target, masked, settings_of(kind))
    return random_engine(architecture, scale=2.0, is_single=is_single)


@pytest.mark.parametrize("name", KINDS)
def test_states_and_memory_have_the_promised_shapes_and_types(name):
    made = engine(**KINDS[name])
    settings = made.architecture.settings
    source = np.array([[1, 2, 3, 0], [4, 0, 0, 0]], np.int32)
    state, memory = made.encode(source)
    assert [part.shape for part in state] == [(2, settings.decoder_width)] * len(state_names(settings))
    assert made.state_size == settings.decoder_width * sum(name != "attentional" for name in state_names(settings))
    assert len(memory) == len(memory_names(settings))
    assert made.memory_size == sum(part.shape[2] for part in memory if part.ndim == 3)
    logits, after = made.step(np.array([1, 1], np.int32), state, memory)
    assert (logits.shape, logits.dtype) == ((2, 9), np.float32)
    assert [part.shape for part in after] == [part.shape for part in state]
    assert not any(np.array_equal(part, before) for part, before in zip(after, state, strict=True))
    assert made.attends == bool(memory)


def test_several_hypotheses_of_each_source_look_at_its_memory():
    """Source by source, three each: as if each were a source of its own."""
    made = engine(attention="bahdanau")
    source, fed = np.array([[1, 2, 3, 0], [4, 5, 6, 7]], np.int32), np.array([1, 2, 3, 4, 5, 6], np.int32)
    state, memory = made.encode(source)
    expected, _ = made.step(fed, *made.encode(np.repeat(source, 3, axis=0)))
    found, after = made.step(fed, [np.repeat(part, 3, axis=0) for part in state], memory)
    assert found == pytest.approx(expected, abs=1e-6)
    assert after[0].shape == (6, 8)


def test_attention_weights_are_shares_of_the_steps_that_are_there():
    made = engine(attention="luong_general")
    state, memory = made.encode(np.array([[1, 2, 3, 0], [4, 5, 6, 7]], np.int32))
    weights, after = made.attend(np.array([1, 2], np.int32), state, memory)
    assert weights.shape == (2, 4)
    assert weights.sum(axis=1) == pytest.approx([1, 1])
    assert weights[0, 3] == 0 < weights[0, :3].min()
    _, expected = made.step(np.array([1, 2], np.int32), state, memory)
    assert np.array_equal(after, expected)


@pytest.mark.parametrize("kind", [{}, {"attention": "luong_dot", "bidirectional": True, "encoder_units": 4}])
@pytest.mark.parametrize("source", [SIDE, VECTORS], ids=["tokens", "vectors"])
def test_sources_of_one_step_are_encoded_as_if_they_were_padded(kind, source):
    made = engine(source=source, **kind)
    padded: Any = np.array([[3, 0], [4, 0]], np.int32)
    if source is VECTORS:
        padded = np.array([[[0.5, -1, 1], [0, 0, 0]]] * 2, np.float32)
    alone = padded[:, :1]
    (state, memory), (expected, _) = made.encode(alone), made.encode(padded)
    for part, other in zip(state, expected, strict=True):
        assert np.array_equal(part, other)
    if memory:
        assert memory[-1].tolist() == [[True, False]] * 2


@pytest.mark.parametrize("kind", [{}, {"cell": "gru", "layers": 2, "bidirectional": True, "attention": "bahdanau"}])
def test_a_model_of_sources_of_one_step_has_no_loop_and_says_the_same(kind):
    """As one of longer sources, of the same weights, that is given a step of padding."""
    single = engine(masked=False, is_single=True, **kind)
    source, fed = np.array([[3], [4], [5]], np.int32), np.array([1, 1, 1], np.int32)
    found, _ = single.step(fed, *single.encode(source))
    longer = engine(**kind)
    expected, _ = longer.step(fed, *longer.encode(source))
    assert found == pytest.approx(expected, abs=1e-6)


def test_what_stands_in_padded_vectors_is_never_looked_at():
    """Padding is told by the last feature, not by zeros; a step of zeros is there like any other."""
    made = engine(source=VECTORS, attention="luong_general", bidirectional=True)
    source = np.random.default_rng(0).normal(0, 1, (2, 5, 3)).astype(np.float32)
    source[..., 2] = [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    source[1, 2:, :2] = 0
    other = source.copy()
    other[0, 3:, :2] = 77
    for part, same in zip(np.concatenate(made.encode(source)[0]), np.concatenate(made.encode(other)[0]), strict=True):
        assert np.array_equal(part, same)
    shorter = source[1:, :3]
    assert not np.allclose(made.encode(source)[0][0][1], made.encode(shorter)[0][0][0], atol=1e-3)


def test_threads_may_share_an_engine():
    made, rng = engine(attention="luong_dot"), np.random.default_rng(0)
    sources = [rng.integers(1, 9, (64, 30), dtype=np.int32) for _ in range(4)]
    expected = [made.encode(source).memory[0] for source in sources]
    found = {}

    def encode(i):
        found[i] = [made.encode(sources[i]).memory[0] for _ in range(20)]

    threads = [threading.Thread(target=encode, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        assert all(np.array_equal(memory, expected[i]) for memory in found[i])


def test_a_processor_runs_it_where_there_is_nothing_better():
    assert engine().provider in {"CPUExecutionProvider", "CUDAExecutionProvider"}
