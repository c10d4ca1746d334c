"""What the trusted side orders from the zygote: one cell, and the files in it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

from course.cage.limits import Limits

_LENGTH = 8  # bytes that say how long the description is


@dataclass(frozen=True)
class Order:
    """A cell to be made.

    `uid` is the user it gets within the cage, None where the cage has one user only; `files` are names and sizes;
    `ipc` is its folder for sockets within /cells, "" for none.
    """

    uid: int | None
    entry: str
    options: Mapping[str, Any]
    files: tuple[tuple[str, int], ...]
    limits: Limits
    ipc: str

    def pack(self, contents: Iterable[bytes]) -> int:
        """A new file descriptor with the order and its files' contents: it may be too long for a message."""
        described = json.dumps(asdict(self)).encode()
        descriptor = os.memfd_create("order")
        with open(descriptor, "wb", closefd=False) as file:
            file.write(len(described).to_bytes(_LENGTH, "big"))
            file.write(described)
            for content in contents:
                file.write(content)
        return descriptor


def unpack(file: BinaryIO) -> Order:
    """Read an order; what follows in `file` are the contents of its files, one after the other."""
    file.seek(0)
    described = json.loads(file.read(int.from_bytes(file.read(_LENGTH), "big")))
    files = tuple((name, size) for name, size in described.pop("files"))
    return Order(files=files, limits=Limits(**described.pop("limits")), **described)
