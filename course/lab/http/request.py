"""A student's request text under its name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Request:
    """The text of a `%%http` cell and the name it was given; empty where nothing is written yet."""

    name: str
    text: str
