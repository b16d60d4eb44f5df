import numpy as np
import pytest

from tasks.seq2seq.data.codec_training import intakes_of
from tasks.seq2seq.data.windows import SeriesSteps, WindowPlan, find_lasts
from tasks.storage.ingest.window_hashes import window_hashes

VALUES = np.random.default_rng(0).normal(size=(60, 2))
STEPS = SeriesSteps(VALUES, VALUES[:, :1], np.arange(60), np.array([0, 60]), np.zeros((60, 0)))


@pytest.mark.parametrize("side", ["source", "target"])
@pytest.mark.parametrize("relative", [False, True])
def test_a_window_hashes_alike_alone_and_among_all_others(side, relative):
    """Overlapping ones are hashed by runs of steps, a few by themselves."""
    plan = WindowPlan(history=5, horizon=3, relative=relative)
    intake = intakes_of("vectors", "vectors", shared=False)[0]
    lasts = find_lasts(STEPS, plan, plan.horizon)
    every = window_hashes(STEPS, lasts, plan, intake, side)
    assert len(set(every.tolist())) == len(lasts)
    for i in (0, 17, len(lasts) - 1):
        assert window_hashes(STEPS, lasts[i : i + 1], plan, intake, side).tolist() == [every[i]]
