"""Tortures the program and keeps count: `python -m tests.torture.run --help`.

Exit codes: 0 nothing was lost, nothing wrong; 1 something was, and is told.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.torture import kills
from tests.torture.commands import ROOT, Command
from tests.torture.mutants import FORMS, predict_mutants

COUNTS = ROOT / "data" / "torture" / "counts.json"
PAGE = ROOT / "docs" / "reliability.md"
SHORT = {"main job": 12, "batch prediction": 20, "night": 6, "mutants": 500}
LONG = {"main job": 60, "batch prediction": 60, "night": 20, "mutants": 5_000}
MUTANTS_A_RUN = 1_000
_TABLE = re.compile(r"(<!-- torture -->\n).*?(<!-- end of torture -->)", re.DOTALL)


def main(argv: list[str] | None = None) -> int:
    """Does what is still to be done of the plan, and writes the page's table after each piece."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.run", description=__doc__)
    parser.add_argument("--long", action="store_true", help="the long plan: goes on where the last one was stopped")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", choices=[*SHORT], default=[*SHORT])
    parser.add_argument("--scale", type=float, default=1.0, help="share of the plan")
    parser.add_argument("--counts", type=Path, default=COUNTS)
    parser.add_argument("--page", type=Path, help="the page whose table is written")
    chosen = parser.parse_args(argv)
    plan = {name: max(1, round(n * chosen.scale)) for name, n in (LONG if chosen.long else SHORT).items()}
    counts = json.loads(chosen.counts.read_text()) if chosen.long and chosen.counts.exists() else {}
    with tempfile.TemporaryDirectory(prefix="torture-") as folder:
        for row, found in torture(Path(folder), {name: plan[name] for name in chosen.only}, chosen.seed, counts):
            counts[row] = found
            chosen.counts.parent.mkdir(parents=True, exist_ok=True)
            chosen.counts.write_text(json.dumps(counts, indent=1))
            print(f"{row}: {describe(found)}", flush=True)
            if chosen.page:
                text = chosen.page.read_text()
                chosen.page.write_text(_TABLE.sub(lambda found: f"{found[1]}{table(counts)}{found[2]}", text))
    faults = [f"{row}: {fault}" for row, found in counts.items() for fault in found["faults"]]
    print("\n".join(faults) or "nothing lost, nothing wrong")
    return 1 if faults else 0


Found = dict[str, Any]  # of a row of the table: how many, what became of them, faults


def torture(folder: Path, plan: dict[str, int], seed: int, counts: dict[str, Found]) -> Iterator[tuple[str, Found]]:
    """What is done, row by row, and what happened; rows that are complete are left out."""
    store = _model(folder)
    victims = {
        "main job": lambda: kills.main_job(folder),
        "batch prediction": lambda: kills.batch(folder, store),
        "night": lambda: kills.night(folder),
    }
    for name, make in victims.items():
        row = f"SIGKILL at a random moment of a {name}, then a plain rerun"
        found = counts.get(row, _nothing())
        if name in plan and found["n"] < plan[name]:
            victim = make()
            while found["n"] < plan[name]:
                killed = victim.kill(found["n"], seed)
                found = _add(found, Counter({"killed" if killed.hit else "had ended": 1}), killed.faults)
                yield row, found
    for form in FORMS if "mutants" in plan else ():
        row = f"mutants of a .{form} file, predicted"
        found = counts.get(row, _nothing())
        while found["n"] < plan["mutants"]:
            n = min(MUTANTS_A_RUN, plan["mutants"] - found["n"])
            here = folder / f"{form}-{found['n']}"
            states, faults = predict_mutants(form, n, seed * 1_000_003 + found["n"], store, here)
            shutil.rmtree(here, ignore_errors=True)
            found = _add(found, states, faults)
            yield row, found
            if not states:  # the command gave nothing: more of it would not either
                break


def _model(folder: Path) -> Path:
    store = folder / "model"
    ran = Command(folder, "train_and_eval", *kills.TINY, "--store", store, "--quiet").run()
    assert ran.code == 0, ran.said
    return store


def _nothing() -> Found:
    return {"n": 0, "states": {}, "faults": []}


def _add(found: Found, states: Counter[str], faults: list[str]) -> Found:
    total = Counter(found["states"]) + states
    at = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False)
    return {
        "n": found["n"] + sum(states.values()),
        "states": dict(total),
        "faults": [*found["faults"], *faults],
        "date": time.strftime("%Y-%m-%d"),
        "commit": at.stdout.strip(),
    }


def describe(found: Found) -> str:
    """A row in words."""
    states = ", ".join(f"{state} {n:,}" for state, n in sorted(found["states"].items()))
    return f"{found['n']:,} ({states}), {len(found['faults'])} faults"


def table(counts: dict[str, Found]) -> str:
    """The rows as the page has them."""
    lines = ["| what is done | times | what happened | date, commit |", "|---|---|---|---|"]
    for row, found in counts.items():
        states = ", ".join(f"{state} {n:,}" for state, n in sorted(found["states"].items()))
        happened = f"{len(found['faults'])} faults" if found["faults"] else "nothing lost, nothing wrong"
        lines.append(f"| {row} | {found['n']:,} ({states}) | {happened} | {found['date']}, {found['commit']} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
