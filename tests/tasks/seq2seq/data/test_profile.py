import json

import numpy as np

from tasks.seq2seq.arrays.sequences import Pairs, Sequences
from tasks.seq2seq.data.codecs import Codecs
from tasks.seq2seq.data.profile import Profile
from tasks.seq2seq.data.scaling import Scaling
from tasks.seq2seq.data.vocabulary import Vocabulary

TOKENS = Codecs(Vocabulary.identity(3), Vocabulary.identity(2))
SCALING = Scaling((0.0,), (1.0,), (-1.0,), (1.0,))


def pairs(source, target):
    return Pairs(sequences(source), sequences(target))


def sequences(rows):
    values = np.array([step for row in rows for step in row], np.int32)
    return Sequences.of_lengths(values, np.array([len(row) for row in rows]))


def test_blocks_are_counted_together():
    profile = Profile(TOKENS)
    profile.add(pairs([[1, 1, 3], [2, 1, 3]], [[0], [2]]))
    profile.add(pairs([[3, 3, 3]], [[2]]))
    assert json.loads(json.dumps(profile.to_json())) == {
        "rows": 3,
        "source": {"lengths": {"3": 3}, "id_counts": [0, 3, 1, 5]},
        "target": {"lengths": {"1": 3}, "id_counts": [1, 0, 2]},
    }


def test_different_lengths_are_told_apart_within_a_block_and_between_blocks():
    """Nothing at all is a length too; a later block may be of shorter sequences."""
    profile = Profile(TOKENS)
    profile.add(pairs([[1, 1, 1], [1], []], [[1], [1], [1]]))
    profile.add(pairs([[1]], [[1, 2]]))
    assert profile.to_json()["source"]["lengths"] == {"0": 1, "1": 2, "3": 1}
    assert profile.to_json()["target"]["lengths"] == {"1": 3, "2": 1}


def test_a_part_of_longer_pairs_is_counted_alone():
    profile = Profile(TOKENS)
    profile.add(pairs([[1], [2, 2], [3]], [[1], [2], [1]]).part(1, 2))
    assert profile.to_json()["source"] == {"lengths": {"2": 1}, "id_counts": [0, 0, 2, 0]}
    assert profile.to_json()["target"] == {"lengths": {"1": 1}, "id_counts": [0, 0, 1]}


def test_vectors_have_lengths_and_no_counts():
    profile = Profile(Codecs(SCALING, Vocabulary.identity(2)))
    profile.add(Pairs(Sequences.of_rows(np.zeros((4, 5, 1))), sequences([[1], [2], [1], [1]])))
    assert profile.to_json()["source"] == {"lengths": {"5": 4}}
    assert profile.to_json()["target"]["id_counts"] == [0, 3, 1]


def test_an_empty_profile_has_no_rows():
    assert Profile(TOKENS).to_json()["rows"] == 0
