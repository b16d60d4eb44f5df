"""The page of batch prediction reads the outputs of a run as one dataset, as it says."""

import json
import re

import pytest

from tests.conftest import ROOT
from tests.helpers.batch_models import batch_models, integer_pairs
from tests.helpers.batch_runs import predict, write_report

PAGE = (ROOT / "docs" / "batch-prediction.md").read_text()

pytestmark = pytest.mark.seconds


def test_the_outputs_of_a_run_are_read_as_one_table_whatever_lies_beside_them(
    tmp_path, tmp_path_factory, monkeypatch, capsys
):
    """Rejects lie beside outputs; a file failed; one was of a format whose columns have other types; one has a column more."""
    store = batch_models(tmp_path_factory).need("integers")
    sources, _ = integer_pairs(30)
    inbox = tmp_path / "inbox"
    for year in (2023, 2024):
        (inbox / f"year={year}").mkdir(parents=True)
        rows = [{"source": source, "id": i} for i, source in enumerate(sources)]
        (inbox / f"year={year}" / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (inbox / "b.jsonl").write_text('{"source": [1, 2], "more": 1.5}\n{"source": [], "more": 1}\n')
    (inbox / "c.csv").write_text("source\nx\n")
    asked = {"output": tmp_path / "predictions", "model": "integers", "partitions": True}
    write_report(store, predict(store, inbox, **asked), inbox, **asked)
    (example,) = re.findall(r"```python\n(import json.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(example, "docs/batch-prediction.md", "exec"), names)  # noqa: S102 - the page's own words
    assert capsys.readouterr().out == "61\n"
    table = names["predictions"].to_table()
    assert sorted(table["year"].to_pylist(), key=str) == [2023] * 30 + [2024] * 30 + [None]
    assert [value for value in table["more"].to_pylist() if value is not None] == [1.5]
