"""How many processor cores this process may use."""

import math
import os
from pathlib import Path
from typing import Final

CGROUP_LIMIT: Final = Path("/sys/fs/cgroup/cpu.max")
_UNLIMITED: Final = "max"


def available_cores(limit_file: Path = CGROUP_LIMIT) -> int:
    """Return the cores this process may run on, or as many as its container's quota is worth, whichever is less.

    Parameters
    ----------
    limit_file
        Where Linux states the quota of a container: microseconds of processor time, and the period they are for.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = limit_file.read_text().split()
        limit = cores if quota == _UNLIMITED else math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return cores
    return max(1, min(cores, limit))
