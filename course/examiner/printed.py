"""What the student's code prints and warns of while a test runs: kept in the student's kernel until it is sent."""

from __future__ import annotations

import io
from typing import Any

MOST_PENDING = 1 << 18  # characters printed and not yet sent
MOST_PRINTED = 1 << 20  # characters printed in all; the rest is dropped


class Printed(io.TextIOBase):
    """What the student's code prints, kept until it is sent. Beyond a limit it is dropped."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._pending = 0
        self._left = MOST_PRINTED

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, text: str) -> int:
        """Keep a text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        kept = str(text[: max(0, min(self._left, MOST_PENDING - self._pending))])
        self._left -= len(kept)
        self._pending += len(kept)
        self._parts.append(kept)
        return len(text)

    def drain(self) -> str:
        """What has been printed since the last time."""
        text, self._parts, self._pending = "".join(self._parts), [], 0
        return text


def would_show(filters: list[Any], warning: Warning) -> bool:
    """Whether these filters let a warning of the notebook's through to stderr."""
    for action, text, category, module, line in filters:
        if (
            isinstance(warning, category)
            and (text is None or text.match(str(warning)))
            and (module is None or module.match("__main__"))
            and line == 0
        ):
            return bool(action != "ignore")
    return True
