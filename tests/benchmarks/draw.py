"""Draws docs/images/performance.svg, `python draw.py BENCH.json GROWTH.json FILE.svg`.

Left what a row costs beside PyTorch, of a run of `run.py --only inference`; right how it grows, of `growth.py`.
"""

import json
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")

from matplotlib import pyplot as plt

SHOWN = {
    "inference-greedy": "6 → 3",
    "inference-one": "one row",
    "inference-long": "400 → 40",
    "inference-words": "50,000 words",
    "inference-wide": "512 units",
    "inference-attention": "attention",
}


def main(bench: str, growth: str, file: str) -> None:
    """Reads both, and draws them side by side."""
    figures = {one["name"]: one for one in json.loads(Path(bench).read_text(encoding="utf-8"))["figures"]}
    series = json.loads(Path(growth).read_text(encoding="utf-8"))
    mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "performance", "font.size": 9})
    _, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    shares = [figures[name]["ratio"] for name in SHOWN]
    left.barh(list(SHOWN.values()), shares, color="#3b6ea5")
    left.axvline(1, color="#888888", linewidth=1)
    left.set(xlabel="CPU time of a row, PyTorch's = 1", title="one thread")
    left.invert_yaxis()
    for place, share in enumerate(shares):
        left.text(share + 0.01, place, f"{share:.2f}", va="center")
    for name, one in series.items():
        first = one["values"][0]
        right.loglog(
            [value / first for value in one["values"]],
            one["cpu_us_per_row"],
            marker="o",
            label=f"{name}, from {first:,}",
        )
    right.set(xlabel="times the first value", ylabel="CPU microseconds a row", title="how it grows")
    right.legend()
    plt.savefig(file, metadata={"Date": None})


if __name__ == "__main__":
    main(*sys.argv[1:])
