"""A limit of the address space under which nothing can run is refused: libraries that meet it abort, or hang."""

from __future__ import annotations

import resource

LEAST_MIB = 2048  # of a command with its server, which has the same limit
LEAST_WITH_TENSORFLOW_MIB = 4096  # 2,200 after its first operation


def too_little_memory(least_mib: int) -> str | None:
    """Says why a process cannot run under the limit of its address space; None where it can."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    if limit == resource.RLIM_INFINITY or limit >= least_mib * 2**20:
        return None
    return (
        f"this process may have {limit // 2**20:,} MiB of address space (ulimit -v, RLIMIT_AS), and its libraries take "
        f"{least_mib:,} MiB, most of which is never in memory; raise the limit, or limit memory itself, as systemd "
        f"does with MemoryMax="
    )
