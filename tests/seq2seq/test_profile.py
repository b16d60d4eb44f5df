import json

import numpy as np

from tasks.seq2seq.profile import Profile
from tasks.seq2seq.sampling import Pairs


def pairs(source, target):
    return Pairs(np.array(source, np.int32), np.array(target, np.int32))


def test_blocks_are_counted_together():
    profile = Profile(4, 3)
    profile.add(pairs([[1, 1, 3], [2, 1, 3]], [[0], [2]]))
    profile.add(pairs([[3, 3, 3]], [[2]]))
    assert json.loads(json.dumps(profile.to_json())) == {
        "rows": 3,
        "source": {"lengths": {"3": 3}, "id_counts": [0, 3, 1, 5]},
        "target": {"lengths": {"1": 3}, "id_counts": [1, 0, 2]},
    }


def test_different_lengths_are_told_apart():
    profile = Profile(2, 2)
    profile.add(pairs([[1, 1]], [[1]]))
    profile.add(pairs([[1, 1, 1]], [[1]]))
    assert profile.to_json()["source"]["lengths"] == {"2": 1, "3": 1}


def test_an_empty_profile_has_no_rows():
    assert Profile(2, 2).to_json()["rows"] == 0
