"""Seconds since a process began."""

import os
from pathlib import Path

# Runs in the environments of all contestants: only the standard library is imported here.


def since_start() -> float:
    """Seconds that this process has lived, imports included."""
    ticks = int(Path("/proc/self/stat").read_text().rsplit(")", 1)[1].split()[19])
    uptime = float(Path("/proc/uptime").read_text().split()[0])
    return uptime - ticks / os.sysconf("SC_CLK_TCK")
