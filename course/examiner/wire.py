"""One end of the line between a test and the student's kernel: frames, plain data and shared containers.

A frame is a length of four bytes and JSON: [kind, payload, changed containers, postscript]. The ends speak in turns. Each
message carries the containers that have changed since the last one, so that both ends always hold the same.
"""

from __future__ import annotations

import functools
import json
import math
import socket
import time
from collections.abc import Callable
from typing import NoReturn

from course.examiner import containers, tables, values
from course.examiner.containers import Shared, SharedKind
from course.examiner.shared_names import NAMED, NAMES
from course.examiner.values import EXACT_INT, Json, Value

MOST_FRAME = 16 << 20  # bytes
MOST_LISTS = 2_000_000  # in the JSON of a frame
MOST_DEPTH = 100
MOST_OBJECTS = 100_000
MOST_SAID = MOST_FRAME - (4 << 20)  # bytes of a frame but for its postscript

_OTHER_END = {"e": "s", "s": "e"}  # the marks of the two ends

_CODEC_TAGS = {codec.tag: codec for codec in values.CODECS.values()}
_KIND_TAGS = {kind.tag: kind for kind in containers.KINDS.values()}


class Broken(BaseException):
    """The other end broke the rules, went away or was too slow.

    It is no Exception, so that no `except Exception` in a test hides it.
    """


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


_dumps: Callable[[Json], str] = json.JSONEncoder(
    separators=(",", ":"), allow_nan=False, check_circular=False
).encode
_loads: Callable[[str], Json] = json.JSONDecoder(parse_constant=_refuse_constant).decode


class Frames:
    """Frames over a stream socket. File descriptors that come along are never taken."""

    def __init__(self, line: socket.socket, until: float) -> None:
        """`until` is the time, of time.monotonic(), when all patience ends."""
        self._line = line
        self._until = until
        self._received = bytearray()

    def send(self, frame: bytes) -> None:
        """Send one frame. Raises Broken."""
        try:
            self._line.settimeout(self._left())
            self._line.sendall(len(frame).to_bytes(4, "big") + frame)
        except TimeoutError:
            raise Broken("the other side does not listen") from None
        except (OSError, ValueError) as error:
            raise Broken("the other side is gone") from error

    def receive(self) -> str:
        """The next frame. Raises Broken."""
        self._wait_for(4)
        size = int.from_bytes(self._received[:4], "big")
        if size > MOST_FRAME:
            raise Broken("the message is too large")
        self._wait_for(4 + size)
        frame = self._received[4 : 4 + size]
        del self._received[: 4 + size]
        if frame.count(b"[") > MOST_LISTS:
            raise Broken("the message has too many parts")
        try:
            return frame.decode("ascii")
        except UnicodeDecodeError:
            raise Broken("malformed message") from None

    def _wait_for(self, size: int) -> None:
        while (missing := size - len(self._received)) > 0:
            try:
                self._line.settimeout(self._left())
                part = self._line.recv(min(max(missing, 1 << 16), 1 << 20))
            except TimeoutError:
                raise Broken("no answer in time") from None
            except (OSError, ValueError) as error:
                raise Broken("the other side is gone") from error
            if not part:
                raise Broken("the other side is gone")
            self._received += part

    def _left(self) -> float | None:
        if self._until == math.inf:
            return None
        left = self._until - time.monotonic()
        if left <= 0:
            raise Broken("no answer in time")
        return left


class Wire:
    """One end. Subclasses say what becomes of what is not plain data."""

    def __init__(self, line: socket.socket, mark: str, until: float = math.inf) -> None:
        """`mark` is this end's letter, in front of the numbers that it gives."""
        self._frames = Frames(line, until)
        self._mark = mark
        self._count = 0
        self._shared: dict[str, Shared] = {}
        self._numbers: dict[int, str] = {}  # of shared containers, by id
        self._undo: list[Callable[[], object]] = []  # takes back what the message in the making has noted

    # --- messages ---------------------------------------------------------------------------------------------------

    def put(self, kind: str, *payload: Value) -> None:
        """Send a message. Where a value cannot be sent nothing is, and ValueError (or what else it raises) comes out."""
        undo, self._undo = self._undo, []  # to encode a value can mean to ask about it first
        try:
            said = _dumps([self.encode(part) for part in payload])
            changed = self._changes()
            if len(said) + len(changed) > MOST_SAID:
                raise ValueError("the value is too large to be sent")
        except BaseException:
            for step in reversed(self._undo):
                step()
            raise
        finally:
            self._undo = undo
        self._frames.send(f'["{kind}",{said},{changed},{_dumps(self.postscript())}]'.encode("ascii"))

    def take(self) -> tuple[str, list[Value]]:
        """The next message: its kind and payload. Raises Broken."""
        frame = self._frames.receive()
        try:
            kind, payload, changed, postscript = _loads(frame)
            values.exactly(str, kind)
            self.before_payload(postscript)
            said = [self.decode(part) for part in values.exactly(list, payload)]
            for number, parts in changed:
                self.refill(self._shared[number], parts)
            self.after_payload(postscript)
        except Exception as error:
            raise Broken(f"malformed message ({type(error).__name__}: {str(error)[:80]})") from error
        return kind, said

    def postscript(self) -> Json:
        """What is sent along with a message."""
        return None

    def before_payload(self, postscript: Json) -> None:
        """Take note of what was sent along, before the message is read."""

    def after_payload(self, postscript: Json) -> None:
        """Take note of what was sent along, when the message has been read."""

    # --- values -----------------------------------------------------------------------------------------------------

    def encode(self, value: Value, depth: int = 0) -> Json:
        """A value as JSON. Raises ValueError where it cannot be sent."""
        kind = type(value)
        if value is None or kind is str or kind is bool:
            return value
        if (kind is int and -EXACT_INT < value < EXACT_INT) or (kind is float and math.isfinite(value)):
            return value
        if depth > MOST_DEPTH:
            raise ValueError("the value is nested too deeply to be sent")
        if id(value) in NAMES:
            return ["name", NAMES[id(value)]]
        codec = values.CODECS.get(kind)
        shared = None if codec else containers.KINDS.get(kind)
        if codec is None and shared is None:
            codec, shared = tables.codec_of(kind), tables.kind_of(kind)
        if codec is not None and codec.fits(value):
            return [codec.tag, *codec.write(value, functools.partial(self.encode, depth=depth + 1))]
        if shared is not None and (id(value) in self._numbers or shared.fits(value)):
            return self._encode_container(value, shared, depth + 1)
        return self.encode_other(value, depth)

    def decode(self, part: Json, depth: int = 0) -> Value:
        """The value that was encoded. Raises Broken, or any Exception where it is malformed."""
        if type(part) is not list:
            if type(part) is dict:
                raise ValueError("an object")
            return part
        if depth > MOST_DEPTH + 10:
            raise ValueError("nested too deeply")
        tag = values.exactly(str, part[0])
        codec = _CODEC_TAGS.get(tag) or tables.codec_tagged(tag)
        if codec is not None:
            return codec.read(part[1:], functools.partial(self.decode, depth=depth + 1))
        if tag == "name":
            return NAMED[part[1]]
        if tag == "same":
            return self._shared[part[1]].container
        if tag == "new":
            return self._decode_container(part, depth + 1)
        return self.decode_other(part, depth)

    def encode_other(self, value: Value, depth: int) -> Json:
        """An object as JSON."""
        raise NotImplementedError

    def decode_other(self, part: list[Json], depth: int) -> Value:
        """The object that `encode_other` of the other end encoded."""
        raise NotImplementedError

    # --- shared containers ------------------------------------------------------------------------------------------

    def adopt(self, container: Value, number: str, kind: SharedKind) -> Shared:
        """Share a container under a number. Raises Broken where there are too many."""
        if len(self._shared) >= MOST_OBJECTS:
            raise Broken("too many containers")
        shared = self._shared[number] = Shared(container, kind)
        self._numbers[id(container)] = number
        self._undo.append(lambda: self.forget(number))
        return shared

    def forget(self, number: str) -> None:
        """Share a container no longer."""
        shared = self._shared.pop(number, None)
        if shared is not None:
            self._numbers.pop(id(shared.container), None)

    def write_parts(self, shared: Shared, depth: int) -> list[Json]:
        """What a container that was just adopted holds."""
        shared.snapshot = shared.kind.snapshot(shared.container)
        return shared.kind.write(shared.snapshot, functools.partial(self.encode, depth=depth))

    def read_parts(self, shared: Shared, parts: list[Json], depth: int) -> None:
        """Fill a container, and take what it holds then for known to the other end."""
        shared.snapshot = None
        shared.kind.fill(shared.container, parts, functools.partial(self.decode, depth=depth))
        shared.snapshot = shared.kind.snapshot(shared.container)

    def _encode_container(self, value: Value, kind: SharedKind, depth: int) -> Json:
        number = self._numbers.get(id(value))
        if number is not None:
            return ["same", number]
        self._count += 1
        number = f"{self._mark}{self._count}"
        shared = self.adopt(value, number, kind)
        needs = [self.encode(need, depth) for need in kind.needs(value)]
        return ["new", number, kind.tag, needs, self.write_parts(shared, depth)]

    def _decode_container(self, part: list[Json], depth: int) -> Value:
        _, number, tag, needs, parts = part
        kind = _KIND_TAGS.get(tag) or tables.kind_tagged(tag)
        if kind is None or len(needs) > 3 or number in self._shared or number[0] != _OTHER_END[self._mark]:
            raise ValueError("malformed container")
        shared = self.adopt(kind.new(*(self.decode(need, depth) for need in needs)), number, kind)
        self.read_parts(shared, parts, depth)
        return shared.container

    def refill(self, shared: Shared, parts: list[Json]) -> None:
        """Have a container hold what it holds at the other end by now."""
        self.read_parts(shared, parts, 1)

    def _changes(self) -> str:
        """The containers that have changed since the last message, as JSON."""
        found = []
        for number, shared in list(self._shared.items()):
            before, kind = shared.snapshot, shared.kind
            if before is None:
                continue
            now = kind.snapshot(shared.container)
            if not kind.same(now, before):
                self._undo.append(functools.partial(setattr, shared, "snapshot", before))
                shared.snapshot = now
                found.append([number, kind.write(now, functools.partial(self.encode, depth=1))])
        return _dumps(found)
