"""The dataset step as a flow of its own."""

import re

import numpy as np
import pyarrow.parquet as pq

from flows._cli.checkout import ROOT
from flows.generate_datasets import main
from flows.train_and_eval import main as train_and_eval
from tests.helpers.tiny import TINY


def test_the_dataset_is_parquet_and_npz_and_the_main_job_finds_it(run):
    _, made, _ = run(main, *TINY)
    path = made["dataset"]["path"]
    table = pq.read_table(f"{path}/train.parquet")
    assert table.num_rows == 6000
    source, target = (np.array(table[name].to_pylist()) for name in ("source", "target"))
    assert (target == source[:, 1::-1]).all()
    with np.load(f"{path}/evaluation.npz", allow_pickle=False) as fresh:
        assert fresh["source"].shape == (50, 4)
        seen = {tuple(row) for row in source.tolist()}
        assert not seen & {tuple(row) for row in fresh["source"].tolist()}
    code, _, said = run(train_and_eval, *TINY, "--dry-run")
    assert code == 0
    assert re.search(rf"^dataset +cached +{path}", said, re.MULTILINE)


def test_the_example_file_is_what_its_command_makes(run, tmp_path):
    output = tmp_path / "integers.parquet"
    flags = ("--data.n_in", "6", "--data.cardinality", "20", "--data.n_samples", "10000")
    code, _, _ = run(main, *flags, "--output", str(output))
    assert code == 0
    assert pq.read_table(output).equals(pq.read_table(ROOT / "data" / "examples" / "integers.parquet"))
