from tasks.seq2seq.inference.graphs.attention_scores import GRAPH_SCORES
from tasks.seq2seq.settings.attention import ATTENTION_SCORES


def test_the_settings_know_the_scores_of_the_table():
    """What each computes is held against Keras in `test_against_keras.py`."""
    assert list(GRAPH_SCORES) == list(ATTENTION_SCORES)
