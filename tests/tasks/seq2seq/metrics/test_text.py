import pytest

from tasks.seq2seq.metrics.text import corpus_bleu, corpus_chrf


def test_bleu_and_chrf_of_equal_lines_are_100():
    lines = ["the cat sat on the mat .", "it was asleep there ."]
    assert corpus_bleu(lines, lines, "none") == 100.0
    assert corpus_chrf(lines, lines) == 100.0


def test_bleu_by_hand():
    """4 of 5 words match, 3 of 4, 2 of 3 and 1 of 2 longer runs, and no length penalty."""
    assert corpus_bleu(["a b c d e"], ["a b c d f"], "none") == pytest.approx(100 * (4 / 5 * 3 / 4 * 2 / 3 / 2) ** 0.25)


def test_the_tokenizer_of_bleu_is_the_callers():
    assert corpus_bleu(["abcdef"], ["abcdeg"], "none") == 0.0
    assert (corpus_bleu(["abcdef"], ["abcdeg"], "char") or 0) > 50


def test_chrf_tells_near_from_far():
    far, near = (corpus_chrf(["sitting"], [line]) or 0.0 for line in ("other", "sittin"))
    assert 0 <= far < near < 100


def test_bleu_and_chrf_of_no_lines_are_none():
    assert (corpus_bleu([], [], "13a"), corpus_chrf([], [])) == (None, None)
