"""Files of pre-trained vectors: what is kept of them, and what is refused with its line."""

import gzip

import numpy as np
import pytest

from tasks.seq2seq.errors import DataError
from tasks.seq2seq.settings.experiment import Experiment
from tasks.storage.readers import word_vectors
from tasks.storage.readers.word_vectors import look, read_vectors, vector_files_fit, vectors_digest

GLOVE = "the 0.1 0.2\ncat -1 2e-1\nsat 3 4\n"
WORD2VEC = "3 2\nthe 0.1 0.2 \ncat -1 2e-1 \nsat 3 4 \n"
THE, CAT = [0.1, 0.2], [-1, 0.2]


@pytest.fixture
def write(tmp_path):
    def write(content, name="vectors.txt"):
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        return tmp_path / name

    return write


def read(path, *tokens, **more):
    """The vectors by token, and how many tokens stood there again."""
    found = read_vectors(path, {token: i for i, token in enumerate(tokens, 4)}, **more)
    assert found.vectors.dtype == np.float32
    return {tokens[i - 4]: vector.round(6).tolist() for i, vector in zip(found.ids, found.vectors, strict=True)}


def close(vectors):
    return {token: pytest.approx(vector) for token, vector in vectors.items()}


@pytest.mark.parametrize("content", [GLOVE, WORD2VEC], ids=["GloVe", "word2vec"])
@pytest.mark.parametrize("name", ["vectors.txt", "vectors.vec.gz"])
def test_files_with_and_without_a_header_plain_and_compressed_give_the_vectors_of_wanted_tokens(write, content, name):
    path = write(content, name)
    assert look(path).width == 2
    assert read(path, "cat", "the", "dog") == close({"cat": CAT, "the": THE})


def test_of_a_token_that_stands_there_twice_the_first_counts_and_the_others_are_counted(write):
    path = write(GLOVE + "the 9 9\nthe 8 8\nother 1 1\nother 2 2\n")
    found = read_vectors(path, {"the": 7})
    assert (found.vectors.tolist(), found.repeated) == ([pytest.approx(THE)], 2)


def test_tokens_are_compared_in_normal_form(write):
    assert read(write("caf\u0065\u0301 1 2\n"), "caf\u00e9") == {"caf\u00e9": [1, 2]}


def test_lower_cased_data_takes_the_vector_of_a_cased_token_only_where_there_is_none_as_it_is(write):
    path = write("Paris 1 1\nPARIS 2 2\nThe 3 3\nthe 4 4\nÉTÉ 5 5\n")
    assert read(path, "paris", "the", "été") == {"the": [4, 4]}
    assert read(path, "paris", "the", "été", lowercase=True) == {"paris": [1, 1], "the": [4, 4], "été": [5, 5]}


def test_tokens_hold_other_line_breaks_spaces_and_bytes_that_are_no_text(write):
    """As those of the well-known files do: GloVe's largest has `. . .`, word2vec's bytes of half characters."""
    path = write(b"the 1 2\n. . . 3 4\n" + "a\u0085b 5 6\n  7 8\n".encode() + b"\xff 9 9\n\n")
    wanted = ("a\u0085b", ". . .", " ")
    assert read(path, *wanted) == {"a\u0085b": [5, 6], ". . .": [3, 4], " ": [7, 8]}


def test_an_integer_is_a_token_of_its_digits(write):
    assert read(write("-3 1 2\n17 3 4\n"), "17", "-3") == {"17": [3, 4], "-3": [1, 2]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (GLOVE + "dog 1\n", r"line 4: 'dog 1' is not a token with 2 numbers after it"),
        (GLOVE + "dog 1 2 3\n", r"line 4: 'dog 1 2 3' is not a token with 2 numbers"),
        (WORD2VEC.replace("3 2", "4 2") + "dog 1\n", r"line 5: 'dog 1' is not a token"),
        (GLOVE + " 1 2\n", r"line 4: ' 1 2' is not a token with 2 numbers"),
        (GLOVE.replace("-1", "one"), r"line 2: 'one' of the token 'cat' is not a number"),
        (GLOVE.replace("-1", "nan"), r"line 2: 'nan' of the token 'cat' is not a number"),
        (GLOVE.replace("-1", "1e50"), r"line 2: '1e50' of the token 'cat' is not a number"),
        (WORD2VEC.replace("3 2", "4 2"), r"ends after 3 vectors, its first line says 4: is it cut short\?"),
        ("", r"line 1: '' is not a vector; expected a token and its numbers"),
        ("the cat sat\n", r"line 1: 'the cat sat' is not a vector"),
    ],
)
def test_a_line_that_is_no_vector_is_an_error_that_names_it(write, content, said):
    with pytest.raises(DataError, match=f"vectors.txt {said}"):
        read(write(content), "cat")


def test_a_file_without_line_breaks_is_not_read_whole(write, monkeypatch):
    monkeypatch.setattr(word_vectors, "VECTOR_LINE_BYTES", 100)
    with pytest.raises(DataError, match="has a line of more than 100 bytes"):
        look(write("the" + " 1" * 1000))


def test_a_file_that_is_missing_or_cut_short_is_an_error_that_says_what_is_expected(write, tmp_path):
    for use in (look, vectors_digest):
        with pytest.raises(DataError, match=r"no.txt does not exist; expected a text file of vectors, plain or .gz"):
            use(tmp_path / "no.txt")
    path = write(GLOVE * 1000, "cut.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"cut.gz cannot be read"):
        read(path, "cat")
    with pytest.raises(DataError, match=r"txt.gz cannot be read: Not a gzipped file"):
        look(write(GLOVE, "x.txt").rename(tmp_path / "x.txt.gz"))


def faults(**model):
    return list(vector_files_fit({"model": Experiment.model_validate({"model": model}).model}))


def test_vectors_of_another_width_than_the_embeddings_are_a_fault_of_the_first_line_alone(write):
    path = write(GLOVE + "broken\n")
    assert faults(source_vectors=path, embedding=2) == []
    (fault,) = faults(target_vectors=path, embedding=64)
    assert fault == (
        f"model.target_vectors: {path} holds vectors of 2 numbers, but model.embedding is 64; set model.embedding to "
        f"2, or take a file of 64"
    )
    (fault,) = faults(target_vectors=path, target_embedding=3, embedding=2)
    assert "but model.target_embedding is 3; set model.target_embedding to 2" in fault
    both = faults(source_vectors=path, target_vectors=path.with_name("no.txt"))
    assert [fault.split(":")[0] for fault in both] == ["model.source_vectors", "model.target_vectors"]
    assert "does not exist" in both[1]


def test_a_changed_file_has_another_digest_and_a_moved_one_the_same(write):
    path = write(GLOVE)
    before = vectors_digest(path)
    assert vectors_digest(path.rename(path.with_name("moved.txt"))) == before
    assert vectors_digest(write(WORD2VEC)) != before
