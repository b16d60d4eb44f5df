"""A short torture: one kill of each kind and some mutants of each format; `make torture` does many."""

import json

import pytest

from tests.torture.run import main, table

pytestmark = pytest.mark.exhaustive


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_is_lost_and_nothing_wrong(tmp_path, seed, capsys):
    code = main(["--scale", "0.02", "--seed", str(seed), "--counts", str(tmp_path / "counts.json")])
    assert code == 0, capsys.readouterr().out
    counts = json.loads((tmp_path / "counts.json").read_text())
    assert len(counts) == 11
    assert table(counts).count("nothing lost, nothing wrong") == 11
