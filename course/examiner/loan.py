"""Lend a server of the test's own network to the student's: each connection made there is carried over here."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

_HOST = "127.0.0.1"
_PART = 1 << 16  # bytes carried at once


def lend(listener: socket.socket, port: int) -> None:
    """Bind `listener`, an unconnected socket of the other network, to the same port there, and serve it until we end.

    Raises OSError where that port is taken there.
    """
    listener.bind((_HOST, port))
    listener.listen()
    threading.Thread(target=_serve, args=(listener, port), daemon=True).start()


def _serve(listener: socket.socket, port: int) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        try:
            server = socket.create_connection((_HOST, port))
        except OSError:  # as if nobody listened there either
            client.close()
            continue
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=_carry, args=(source, target), daemon=True).start()


def _carry(source: socket.socket, target: socket.socket) -> None:
    """Carry what comes in one direction, its end included."""
    with suppress(OSError):
        while part := source.recv(_PART):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
