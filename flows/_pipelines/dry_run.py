"""What a dry run says: which steps are in the store, which would be made, and why."""

from __future__ import annotations

from collections.abc import Sequence

from flows._cli.summary import print_table
from flows._pipelines.steps import Planned


def show_planned(planned: Sequence[Planned]) -> None:
    """Prints the steps and what would be done."""
    print_table(
        {"step": "left", "": "left", "why, or where": "left"},
        [(step.name, "cached" if step.cached else "would be made", step.why) for step in planned],
    )
    n = sum(not step.cached for step in planned)
    again = "; one that comes out as before leaves those after it cached" if 0 < n < len(planned) else ""
    print(f"dry run: nothing was made; {n} of {len(planned)} steps would be{again}")
