"""What a cell's entry function is given."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Inside:
    """The cell as seen by the function that runs in it."""

    def __init__(
        self,
        door: socket.socket,
        options: dict[str, Any],
        *,
        ipc: Path,
        gate: socket.socket,
        seal: Callable[[], None],
    ) -> None:
        """`door` leads to the trusted side, `gate` to the cell's first process; `seal` is the last wall."""
        self.door = door
        self.options = options
        self.ipc = ipc
        self._gate = gate
        self._seal = seal

    def ready(self) -> None:
        """Say that the cell is ready: `Zygote.spawn` returns, and the folder `ipc` is gone. To be called just once."""
        self._gate.send(b"ready")
        if self._gate.recv(16) != b"go":
            os._exit(1)
        self._gate.close()
        self._seal()
