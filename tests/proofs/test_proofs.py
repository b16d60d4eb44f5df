"""The proofs that models learn: their data is as described, their tables say what came of the runs."""

import json
import re

import pyarrow.parquet as pq
import pytest

from flows._cli.settings import read_toml
from tasks.seq2seq.settings.rules import check_experiment
from tests.conftest import ROOT
from tests.proofs import run as command
from tests.proofs.proofs import PROOFS, Figure, Proof
from tests.proofs.results import PageError, Run, format_table, missed, put_into
from tests.proofs.samples import write_addition, write_copy, write_first_40, write_reversal

PAGE = (ROOT / "docs" / "results.md").read_text()
ON_FILES = {name: proof for name, proof in PROOFS.items() if proof.make}


def rows(path):
    table = pq.read_table(path).to_pydict()
    return list(zip(table["source"], table["target"], strict=True))


def test_the_reversal_is_joeynmts_and_held_out_sequences_are_longer_than_those_of_training(tmp_path):
    write_reversal(tmp_path, train=2_000, held_out=500)
    pairs = {name: rows(tmp_path / f"{name}.parquet") for name in ("train", "validation", "test")}
    assert pairs["train"][0] == ([28, 14, 42, 7, 20, 38, 18], [18, 38, 20, 7, 42, 14, 28])  # as numpy's seed 42 has it
    for name, longest in (("train", 25), ("validation", 30), ("test", 30)):
        assert {len(source) for source, _ in pairs[name]} == set(range(1, longest + 1))
        assert all(target == source[::-1] for source, target in pairs[name])
    assert {value for source, _ in pairs["train"] for value in source} == set(range(50))


def test_the_copy_has_all_lengths_to_100(tmp_path):
    write_copy(tmp_path, train=2_000, held_out=50)
    pairs = rows(tmp_path / "train.parquet")
    assert {len(source) for source, _ in pairs} == set(range(1, 101))
    assert all(source == target for source, target in pairs)


def test_the_400_are_held_out_and_shorter_ones_stand_beside_them_in_training(tmp_path):
    write_first_40(tmp_path, train=1_000, held_out=20)
    pairs = {name: rows(tmp_path / f"{name}.parquet") for name in ("train", "validation", "test")}
    assert all(target == source[:40][::-1] for each in pairs.values() for source, target in each)
    assert {len(source) for name in ("validation", "test") for source, _ in pairs[name]} == {400}
    lengths = [len(source) for source, _ in pairs["train"]]
    assert lengths.count(400) == 100
    assert (min(lengths), max(lengths)) == (10, 400)


def test_additions_are_right_and_no_two_are_of_the_same_numbers(tmp_path):
    write_addition(tmp_path, train=2_000, test=300)
    train, test = (rows(tmp_path / f"{name}.parquet") for name in ("train", "test"))
    assert (len(train), len(test)) == (2_000, 300)
    numbers = []
    for source, target in [*train, *test]:
        assert (len(source), len(target)) == (7, 4)
        numbers.append(sorted(map(int, source[::-1].split("+"))))
        assert sum(numbers[-1]) == int(target)
    assert len(set(map(tuple, numbers))) == 2_300


@pytest.mark.parametrize("name", ON_FILES)
def test_the_data_of_a_proof_is_the_same_each_time_and_lies_where_its_experiment_reads(name, tmp_path):
    make = PROOFS[name].make
    assert make is not None
    for folder in (tmp_path / "first", tmp_path / "second"):
        make(folder, 60, 10)
    first, second = (
        {path.name: path.read_bytes() for path in folder.iterdir()}
        for folder in (tmp_path / "first", tmp_path / "second")
    )
    assert first == second
    places = check_experiment(read_toml(PROOFS[name].experiment)).data.places.values()
    assert {path.resolve() for path in places} == {command.FOLDER / name / file for file in first}


@pytest.mark.parametrize("name", PROOFS)
def test_each_proof_is_an_accepted_experiment_and_has_its_place_on_the_page(name):
    experiment = PROOFS[name].experiment
    assert check_experiment(read_toml(experiment))
    section = next(part for part in PAGE.split("\n## ") if f"<!-- proof: {name} -->" in part)
    assert f"]({'../' + experiment.relative_to(ROOT).as_posix()})" in section


def test_the_page_has_a_place_for_nothing_else():
    assert re.findall(r"<!-- proof: (\S+) -->", PAGE) == list(PROOFS)


PROOF = Proof(
    ROOT / "none.toml",
    (Figure("bleu", "BLEU", 95.19, published=95.19), Figure("error", "error", 1.0, at_most=True), Figure("x", "x")),
)
RUNS = [
    Run(
        seed,
        {"bleu": bleu, "error": error, "x": 0.5},
        45_000,
        1_000,
        12_345,
        30,
        28,
        1_234.5,
        60.0,
        75.4,
        2,
        {"keras": "3.15"},
    )
    for seed, bleu, error in ((0, 95.19, 0.9), (1, 95.1, 1.0), (2, 99.0, 0.2))
]


def test_a_goal_must_be_reached_by_every_seed():
    """A floor is reached where it is touched, a ceiling is not."""
    assert missed(PROOF, RUNS) == [
        "BLEU: seed 1 has 95.1, the goal is >= 95.19",
        "error: seed 1 has 1, the goal is < 1",
    ]
    assert missed(PROOF, [RUNS[0], RUNS[2]]) == []


def test_the_table_has_each_seed_and_the_spread():
    lines = format_table(PROOF, RUNS).splitlines()
    assert lines[0] == "|  | goal | published | seed 0 | seed 1 | seed 2 | lowest | median | highest |"
    assert lines[2] == "| BLEU | >= 95.19 | 95.19 | 95.19 | 95.10 | 99.00 | 95.10 | 95.19 | 99.00 |"
    assert lines[3] == "| error | < 1 |  | 0.9000 | 1.0000 | 0.2000 | 0.2000 | 0.9000 | 1.0000 |"
    assert lines[5] == "| epochs, of them kept |  |  | 30, 28 | 30, 28 | 30, 28 |  |  |  |"
    assert lines[-1] == "45,000 training pairs, 1,000 held out; 12,345 weights; 2 cores; keras 3.15."


def test_a_table_takes_the_place_of_the_one_before_and_leaves_the_others():
    page = "a\n<!-- proof: x -->\nold\n<!-- end -->\nb\n<!-- proof: y -->\nkept\n<!-- end -->\n"
    assert put_into(page, "x", "new") == page.replace("old", "new")
    assert put_into(put_into(page, "x", r"\1"), "x", "old") == page
    with pytest.raises(PageError, match="proof: z"):
        put_into(page, "z", "new")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["nothing"], "there is no proof nothing; there are tutorial"),
        (["--seeds", "0"], "--seeds is 0"),
        (["--page", "none.md"], "there is no such file"),
    ],
)
def test_a_proof_that_is_not_there_is_refused(flags, said, capsys):
    with pytest.raises(SystemExit) as error:
        command.main(flags)
    assert error.value.code == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("goal", "code"),
    [pytest.param(0.0, 0, marks=pytest.mark.exhaustive), pytest.param(1.1, 1, marks=pytest.mark.exhaustive)],
)
def test_the_command_runs_each_seed_and_says_whether_its_goals_are_reached(goal, code, tmp_path, monkeypatch, capfd):
    experiment, page = tmp_path / "tiny.toml", tmp_path / "page.md"
    experiment.write_text(
        "[data]\nn_in = 3\nn_samples = 500\n[model]\nunits = 8\n[training]\nbatch_size = 16\n[evaluation]\nn_samples = 20\n"
    )
    page.write_text("<!-- proof: tiny -->\n<!-- end -->\n")
    monkeypatch.setattr(command, "FOLDER", tmp_path / "proofs")
    monkeypatch.setattr(command, "PROOFS", {"tiny": Proof(experiment, (Figure("sequence_accuracy", "right", goal),))})
    assert command.main(["tiny", "--seeds", "2", "--page", str(page)]) == code
    printed, said = capfd.readouterr()
    assert "| seed 0 | seed 1 |" in page.read_text()
    assert page.read_text().splitlines()[1] in printed
    assert ("missed: tiny: right: seed 1" in said) == bool(code)
    stored = [json.loads((tmp_path / "proofs" / "tiny" / f"seed-{seed}.json").read_text()) for seed in range(2)]
    assert [run["seed"] for run in stored] == [0, 1]
    assert stored[0]["train_rows"] == 500
    assert stored[0]["evaluated"] == 20
    assert not (tmp_path / "proofs" / "tiny" / "seed-0").exists()
