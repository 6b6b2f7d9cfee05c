"""What a process has used so far: processor time and the most memory it ever held."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process, without its children.

    Attributes:
        processor_s: processor time, of itself and of the kernel for it.
        peak_mb: the most memory that it held at once (resident), in MiB.
    """

    processor_s: float
    peak_mb: float


def usage(pid: int) -> Usage:
    """Reads ``/proc`` of a living process (Linux)."""
    folder = Path("/proc") / str(pid)
    # The second field is the name in brackets, which may hold anything; the third one follows the last bracket.
    fields = (folder / "stat").read_text().rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    peak = next(line for line in (folder / "status").read_text().splitlines() if line.startswith("VmHWM"))
    return Usage(ticks / _TICKS_A_SECOND, int(peak.split()[1]) / 1024)


def processor_time_s(pid: int) -> float:
    """Processor time of a living process, to the microsecond (Linux's clock of another process)."""
    # As MAKE_PROCESS_CPUCLOCK of the kernel's posix-timers.h, with CPUCLOCK_SCHED.
    return time.clock_gettime(~pid << 3 | 2)
