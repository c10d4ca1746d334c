"""Send messages of any size, with file descriptors, over a socket that carries small packets."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

_PACKET = 60_000  # bytes; the smallest send buffer of Linux takes more
_MOST = 32 * 1024 * 1024  # bytes of one message
_MOST_FDS = 4


class BadMessage(Exception):
    """What came is no message of ours, or too large."""


def send(door: socket.socket, message: Mapping[str, Any], fds: Sequence[int] = ()) -> None:
    """Send a JSON-able message. Raises OSError where the other side is gone, TimeoutError as the socket's timeout says."""
    text = json.dumps(message).encode()
    parts = [text[start : start + _PACKET] for start in range(0, len(text), _PACKET)]
    for number, part in enumerate(parts, start=1):
        packet = (b"." if number == len(parts) else b"+") + part
        socket.send_fds(door, [packet], list(fds) if number == 1 else [])


def receive(door: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next message and its file descriptors; None where the other side is gone.

    Raises BadMessage, and OSError or TimeoutError as the socket does.
    """
    parts: list[bytes] = []
    found: list[int] = []
    try:
        while not parts or parts[-1][:1] == b"+":
            packet, fds, _, _ = socket.recv_fds(door, _PACKET + 1, _MOST_FDS)
            found += fds
            if not packet:
                _drop(found)
                return None
            parts.append(packet)
            if sum(map(len, parts)) > _MOST:
                raise BadMessage("a message is too large")
        return _read(parts), found
    except BaseException:
        _drop(found)
        raise


def _read(parts: list[bytes]) -> dict[str, Any]:
    try:
        message = json.loads(b"".join(part[1:] for part in parts))
    except (ValueError, RecursionError) as error:
        raise BadMessage("a message is no JSON") from error
    if not isinstance(message, dict):
        raise BadMessage("a message is no JSON object")
    return message


def _drop(fds: list[int]) -> None:
    for fd in fds:
        with suppress(OSError):
            os.close(fd)
