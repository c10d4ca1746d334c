"""How much a cell may use."""

from __future__ import annotations

from dataclasses import dataclass

_MIB = 1 << 20


@dataclass(frozen=True)
class Limits:
    """The bounds of one cell; sizes in bytes.

    `memory` holds for all processes of the cell together, where the machine lets us make control groups; `processes`
    and `disk` always do. The others hold for each process.
    """

    memory: int = 1024 * _MIB
    address_space: int = 8192 * _MIB
    processes: int = 128
    open_files: int = 512
    file_size: int = 128 * _MIB
    disk: int = 256 * _MIB  # of /home/student, /tmp and /dev/shm together
    inodes: int = 50_000
    cpu_seconds: int = 300
