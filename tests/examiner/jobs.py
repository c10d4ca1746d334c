"""Jobs for a desk, and what a test wants to know of its verdicts."""

from __future__ import annotations

import socket
from typing import Any

from course.examiner import packets


def job(source: str, **more: Any) -> dict[str, Any]:
    """A job with nothing special about it."""
    usual = {
        "source": source,
        "name": "sum-visible",
        "recording": None,
        "record": False,
        "seconds": 60.0,
        "seed": None,
        "verbose": True,
        "hidden": False,
    }
    return {**usual, **more}


def examine(desk: socket.socket, wanted: dict[str, Any], line: int, porter: int) -> dict[str, Any]:
    """Send a job to a desk's door, and wait for the verdict."""
    desk.settimeout(wanted["seconds"] + 60)
    packets.send(desk, wanted, [line, porter])
    received = packets.receive(desk)
    assert received is not None
    return received[0]


def text_of(verdict: dict[str, Any], stream: str = "stdout") -> str:
    """What a verdict's cell has printed."""
    return "".join(
        output["text"]
        for output in verdict["outputs"]
        if output["output_type"] == "stream" and output["name"] == stream
    )


def panel_of(verdict: dict[str, Any]) -> str:
    """The failure's panel, as text."""
    (shown,) = [output for output in verdict["outputs"] if output["output_type"] == "display_data"]
    return shown["data"]["text/plain"]
