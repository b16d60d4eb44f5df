import numpy as np
import pytest

from tasks.seq2seq.data.quantiles import (
    Interval,
    blocks,
    by_output,
    column_name,
    faults,
    in_output_order,
    intervals_of,
    output_names,
)


@pytest.mark.parametrize(
    ("quantiles", "names"),
    [
        ((0.1, 0.5, 0.9), ["0.8"]),
        ((0.05, 0.1, 0.5, 0.9, 0.95), ["0.9", "0.8"]),
        ((0.05, 0.5, 0.8), ["0.75"]),
        ((0.5, 0.9), []),
        ((0.5,), []),
        ((), []),
    ],
)
def test_intervals_lie_between_the_lowest_and_the_highest_and_so_on(quantiles, names):
    assert [interval.name for interval in intervals_of(quantiles)] == names


def test_an_interval_is_named_by_its_share_without_rounding():
    """0.7 - 0.3 is 0.39999999999999997 in binary."""
    assert Interval(0.3, 0.7).name == "0.4"
    assert Interval(0.001, 0.999).name == "0.998"


def test_a_decoder_puts_the_median_out_first_and_the_others_ascending():
    output = np.arange(6, dtype=np.float32).reshape(1, 6)
    found = {quantile: block.tolist() for quantile, block in blocks(output, (0.1, 0.5, 0.9)).items()}
    assert found == {0.5: [[0.0, 1.0]], 0.1: [[2.0, 3.0]], 0.9: [[4.0, 5.0]]}
    assert {quantile: block.tolist() for quantile, block in blocks(output, ()).items()} == {0.5: output.tolist()}


def test_outputs_of_an_export_are_put_in_order_again_however_they_are_named():
    quantiles = (1e-05, 0.05, 0.1, 0.5, 0.9)
    output = np.arange(10, dtype=np.float32).reshape(1, 10)
    named = by_output(output, quantiles)
    assert list(named) == output_names(quantiles)
    assert in_output_order({name: named[name] for name in sorted(named)}).tolist() == output.tolist()


def test_columns_of_different_quantiles_have_different_names():
    assert [column_name(quantile) for quantile in (0.1, 0.1000000001)] == ["quantile_0.1", "quantile_0.1000000001"]


def test_all_faults_of_quantiles_are_told():
    assert faults((0.1, 0.5, 0.9)) == []
    assert len(faults((0.9, 0.1, 1.5))) == 3
