"""The trusted side of a line: asks the student's kernel for what a test needs of it, and judges what may be asked.

It never imports, evaluates, unpickles or looks anything up for the other side. It calls only what the test handed over, and
`input`. Whatever the other side sends that is not allowed ends the session for good: no test passes after it.
"""

from __future__ import annotations

import asyncio
import builtins
import functools
import importlib
import inspect
import itertools
import socket
import sys
import threading
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from course.examiner.checks import FAILED
from course.examiner.containers import Shared
from course.examiner.lent import Lent
from course.examiner.mirrors import Mirror, Ref, about, claims, derive, issubclass_truly, mro, stands_in
from course.examiner.recording import Recording
from course.examiner.shared_names import NAMES
from course.examiner.standins import StandIns
from course.examiner.values import Json, Value, exactly
from course.examiner.waiting import Waits
from course.examiner.wire import Broken, Wire

MOST_NESTED = 300  # calls from the test to the student's code and back, inside each other
MOST_PRINTED = 1 << 20  # characters that the student's code may print in a session
_CARRIED_ON = "A check of this test failed, and the submission's code carried on as if it had not."
_SWALLOWED = "The submission's code swallowed the {} in a with block of this test, and the rest of the block did not run."
_QUIET = (StopIteration, StopAsyncIteration, GeneratorExit, asyncio.CancelledError, SystemExit)
_RECURSION = 10_000  # frames: calls that go back and forth take more of them than calls in one process


class Session(Wire):
    """One test's use of the student's kernel.

    `printed` and `warned` are called with the text that the student's code writes to stdout and stderr meanwhile; they may
    be replaced. `failed` is the error that ended the session, or None; `swallowed` is that of a check whose own error went
    missing where the reference solution lets none go missing, or None: a test does not pass with it.
    """

    def __init__(
        self, line: socket.socket, recording: Recording | None, *, record: bool, until: float
    ) -> None:
        """Use a line to `course.examiner.student.serve`.

        `recording` is what a run with the reference solution showed; `record` makes this session that run. `until` is
        the time, of time.monotonic(), at which every wait ends.
        """
        super().__init__(line, "e", until)
        self.printed: Callable[[str], object] = lambda text: sys.stdout.write(text)
        self.warned: Callable[[str], object] = lambda text: sys.stderr.write(text)
        self.failed: BaseException | None = None
        self.swallowed: AssertionError | None = None
        self.stand_ins = StandIns(self)
        self.lent = Lent(self)
        self.waits = Waits(self)
        self._recording = recording or Recording()
        self._record = record
        self._sites: set[str] = set()
        self._modules: dict[str, str] = {}
        self._redefined: set[str] = set()
        self._places: dict[tuple[int, int], tuple[types.CodeType, str]] = {}
        self._names: Names | None = None
        self._twins: dict[type, Mirror] = {}
        self._turn = threading.RLock()
        self._open: list[int] = []
        self._asked = 0
        self._amount_printed = 0
        self._busy = False
        self._usual_filters = warnings.filters
        self._pending_error: Warning | None = None
        sys.setrecursionlimit(max(sys.getrecursionlimit(), _RECURSION))

    # --- names ------------------------------------------------------------------------------------------------------

    def names(self) -> dict[str, Any]:
        """A dict to be the `__builtins__` of the test: builtins, and behind them the student's names."""
        if self._names is None:
            others = self.ask("redefined") if self._record else self._recording.names
            known = {name: each for name, each in _builtins().items() if name not in others}
            self._names = Names(self, {**known, FAILED: self._check_failed})
        return self._names

    def look_up(self, name: str) -> Value:
        """What a name means in the student's notebook. Raises KeyError where it means nothing."""
        module = self._recording.modules.get(name)
        if module is not None:
            return importlib.import_module(module)
        found, value = self.ask("name", name)
        if found is not True:
            raise KeyError(name)
        return self._note_name(name, value) if self._record else value

    def _note_name(self, name: str, value: Value) -> Value:
        if hasattr(builtins, name):
            self._redefined.add(name)
        if stands_in(value) and type.__getattribute__(type(value), "__name__") == "module":
            module, own = self.ask("module", value)
            if not own:
                self._modules[name] = module
                return importlib.import_module(module)
        return value

    # --- asking -----------------------------------------------------------------------------------------------------

    def ask(self, kind: str, *payload: Value) -> Value:
        """Ask the student's kernel, and serve what its code asks of us meanwhile. Raises what the student's code raises.

        name NAME; bind NAME VALUE; call FUNCTION ARGS OPTIONS; get, set, del OBJECT NAME [VALUE]; dir OBJECT; vars CLASS;
        op CLASS NAME OBJECT OPERANDS...; super CLASS NAME OBJECT; meta NAME CLASS OPERANDS...; isinstance, issubclass
        OBJECT CLASS; copy OBJECT DEEP; signature FUNCTION; subclass NAME BASES BODY OPTIONS; step GENERATOR METHOD
        OPERANDS...; start AWAITABLE; run SECONDS FINISHED; cancel NUMBER; rest SECONDS; read PATH; write PATH TEXT;
        seed LIBRARY ARGS OPTIONS; tool NAME ARGS...; raised; redefined; module OBJECT
        """
        with self._turn:
            if self.failed is not None:
                raise self.failed
            if len(self._open) > MOST_NESTED:
                raise RecursionError("maximum recursion depth exceeded between a test and a submission")
            self._asked += 1
            number = self._asked
            self._open.append(number)
            try:
                with self._being_busy():
                    self.put(kind, number, *payload)
                return self._answer_to(number)
            except Broken as error:
                raise self.fail(error) from None
            finally:
                self._open.pop()

    def _answer_to(self, number: int) -> Value:
        while True:
            with self._being_busy():
                kind, said = self.take()
            if kind not in ("ok", "raise"):
                self._serve(kind, said)
                continue
            if len(said) != 2 or type(said[0]) is not int or said[0] != number:
                raise Broken("answers out of order")
            if self._pending_error is not None:
                error, self._pending_error = self._pending_error, None
                raise error
            if kind == "ok":
                return said[1]
            if not isinstance(said[1], BaseException) or isinstance(said[1], Broken):
                raise Broken("malformed error")
            raise said[1]

    def _serve(self, kind: str, payload: list[Value]) -> None:
        """Do what the student's code asks for: something with an object that was lent, or a line of input."""
        busy, self._busy = self._busy, False
        try:
            try:
                if kind == "input":
                    result: Value = str(input(exactly(str, payload[0])))
                else:
                    result = self.lent.answer(kind, payload)
            except Broken:
                raise
            except BaseException as error:
                self._return("raised", error)
            else:
                self._return("returned", result)
        finally:
            self._busy = busy

    def _return(self, kind: str, value: Value) -> None:
        with self._being_busy():
            try:
                self.put(kind, value)
            except (ValueError, TypeError, RecursionError) as error:
                self.put("raised", type(error)(str(error)))

    @contextmanager
    def _being_busy(self) -> Iterator[None]:
        busy, self._busy = self._busy, True
        try:
            yield
        finally:
            self._busy = busy

    @property
    def can_ask(self) -> bool:
        """Whether something may be asked at this moment, also by the garbage collector."""
        return not self._busy and self.failed is None

    def fail(self, error: BaseException) -> BaseException:
        """End the session with an error, which is returned; the first one counts."""
        if self.failed is None:
            self.failed = error
        return error

    def close(self) -> None:
        """Tell the student's kernel that this is all. Whatever is asked after it fails."""
        if self.failed is None:
            with suppress(Broken):
                self.put("bye")
            self.failed = Broken("the test has ended")

    # --- judging ----------------------------------------------------------------------------------------------------

    def may_meet(self, judge: Value, how: str, *, theirs: bool = False) -> bool:
        """Whether an object of the student's may be shown data of the test's in this way, here in the test's source.

        False where it is to be compared by its own plain data instead. Raises Broken, for good, where it has none. `theirs`
        says that what it is shown is the student's too: that is no harm to an object that has no plain data.
        """
        site = self._site(how)
        if self._record:
            self._sites.add(site)
            return True
        if site in self._recording.sites:
            return True
        cls = judge if type(judge) is Mirror else type(judge)
        if about(cls).base is not None and type(judge) is not Mirror:
            return False
        if theirs:
            return True
        name = type.__getattribute__(cls, "__name__")
        raise self.fail(Broken(f"expected plain data here, got an object of class {name}"))

    def call(self, function: Value, args: tuple[Value, ...], options: Mapping[str, Value]) -> Value:
        """Call a function or a class of the student's."""
        plain = not all(map(stands_in, (*args, *options.values())))
        if plain and not self.may_meet(function, "call"):
            raise self.fail(Broken("expected plain data here, got an object to call"))
        named = tuple((name, self.twin(value)) for name, value in options.items())
        try:
            return self.ask("call", function, tuple(map(self.twin, args)), named)
        except _QUIET as error:
            self.hear(error, "the call")
            raise

    def is_a(self, kind: str, value: Value, cls: type) -> bool:
        """What `isinstance` or `issubclass` says of a class of the student's that this process does not know of."""
        if stands_in(value):
            return self.ask(kind, value, cls) is True
        if self._record:
            found = self.ask(kind, value, cls) is True
            if found:
                self._sites.add(self._site("is a"))
            return found
        return self._site("is a") in self._recording.sites and self.ask(kind, value, cls) is True

    def _check_failed(self) -> bool:
        """Note that a check of the test's fails here: its error may never come to the test's end."""
        self._may_go_missing(self._site("fails"), _CARRIED_ON)
        return False

    def hear(self, error: BaseException, what: str) -> None:
        """Raise RuntimeError from an error that would end a loop, a task or a thread of the test's without a word.

        As Python itself does where a generator raises StopIteration. Where the reference solution raises it too, it may.
        """
        kind = next(each for each in _QUIET if issubclass_truly(type(error), each))
        if kind is SystemExit and threading.current_thread() is threading.main_thread():
            return
        site = self._site(f"raises {kind.__name__}")
        if self._record:
            self._sites.add(site)
        elif site not in self._recording.sites:
            raise RuntimeError(f"{what} raised {kind.__name__}") from error

    def swallows(self, error: BaseException, answer: Value) -> bool:
        """Whether the student's context manager ends an error here by this answer, which is noted."""
        swallowed = bool(answer)
        if swallowed:
            kind = next(
                each for each in mro(type(error)) if type(each) is type and each.__module__ == "builtins"
            )
            self._may_go_missing(self._site("swallow"), _SWALLOWED.format(kind.__name__))
        return swallowed

    def _may_go_missing(self, site: str, words: str) -> None:
        if self._record:
            self._sites.add(site)
        elif site not in self._recording.sites and self.swallowed is None:
            self.swallowed = AssertionError(words)

    def _site(self, how: str) -> str:
        """The place in the test's source that is being run, and how it meets an object: "1:2-1:9 compare".

        One place can do more than one thing: `6 in map(f, data)` calls, and compares. "elsewhere" is where no line of the
        test's is: in a thread that runs a function of the student's.
        """
        frame: types.FrameType | None = sys._getframe(2)
        while frame is not None and frame.f_builtins is not self._names:
            frame = frame.f_back
        if frame is None:
            return f"elsewhere {how}"
        code, at = frame.f_code, frame.f_lasti
        known = self._places.get((id(code), at))
        if known is None:
            line, end_line, column, end_column = next(itertools.islice(code.co_positions(), at // 2, None))
            known = self._places[id(code), at] = code, f"{line}:{column}-{end_line}:{end_column}"
        return f"{known[1]} {how}"

    def recorded(self) -> Recording:
        """What this session has shown of the test."""
        return Recording(frozenset(self._sites), dict(self._modules), frozenset(self._redefined))

    # --- classes and functions --------------------------------------------------------------------------------------

    def twin(self, value: Value) -> Value:
        """A class of the test's, made again in the student's kernel: its objects live there, its methods are called back.

        Anything else, and classes that need none (exceptions, a library's, those with plain data), is returned as it is.
        """
        if type(value) is not type or value.__module__ != "__main__" or id(value) in NAMES:
            return value
        if value not in self._twins:
            bases = tuple(map(self.twin, value.__bases__))
            if not all(base is object or type(base) is Mirror for base in bases):
                return value
            self._twins[value] = derive(self, value.__name__, bases, vars(value), {}, value)
        return self._twins[value]

    def signature(self, function: Value) -> inspect.Signature:
        """The signature of a function or class of the student's."""
        parameters, returns = self.ask("signature", function)
        return inspect.Signature(
            [
                inspect.Parameter(name, inspect._ParameterKind(kind), default=default, annotation=annotation)
                for name, kind, default, annotation in parameters
            ],
            return_annotation=returns,
        )

    # --- the wire ---------------------------------------------------------------------------------------------------

    def undo_with(self, step: Callable[[], object]) -> None:
        """Have something undone if the message in the making is not sent."""
        self._undo.append(step)

    def postscript(self) -> Json:
        """The numbers of what the student's kernel need not keep for us any longer."""
        unused = [number for number, shared in self._shared.items() if sys.getrefcount(shared.container) <= 2]
        for number in unused:
            self.forget(number)
        return list({*unused, *self.stand_ins.gone()})

    def before_payload(self, postscript: Json) -> None:
        """Take what the student's code has printed."""
        if postscript is None:
            return
        out, errors, warned = postscript
        exactly(str, out), exactly(str, errors)
        self._amount_printed += len(out) + len(errors)
        if self._amount_printed > MOST_PRINTED:
            raise Broken("the submission prints too much")
        if out:
            self.printed(out)
        if errors:
            self.warned(errors)
        for warning, shown in warned:
            self._warn(self.decode(warning), shown)

    def _warn(self, warning: Value, shown: Json) -> None:
        """Warn as the student's code has warned: as the test asks for it, or else as the notebook would."""
        if not isinstance(warning, Warning):
            raise ValueError("a warning that is none")
        category = type(warning)
        if warnings.filters is not self._usual_filters:
            try:
                warnings.warn_explicit(warning, category, "<submission>", 1, "__main__")
            except Warning as error:  # the test turns warnings into errors
                self._pending_error = error
        elif shown:
            self.warned(warnings.formatwarning(warning, category, "<submission>", 1, ""))

    def refill(self, shared: Shared, parts: list[Json]) -> None:
        """Have a container hold what the student's code has made of it; one of the test's that is read-only stays as it is."""
        number = self._numbers[id(shared.container)]
        if number.startswith(self._mark) and shared.kind.frozen(shared.container):
            raise ValueError("a container that is read-only has changed")
        super().refill(shared, parts)

    def encode_other(self, value: Value, depth: int) -> Json:
        """A stand-in by its handle, or an object of the test's as lent."""
        if type(value) is Ref:
            return ["handle", value.handle]
        handle = self.stand_ins.handle(value)
        return self.lent.write(value, depth) if handle is None else ["handle", handle]

    def decode_other(self, part: list[Json], depth: int) -> Value:
        """An object that was lent and comes back, or a stand-in."""
        return self.lent.find(part[1]) if part[0] == "yours" else self.stand_ins.read(part, depth)


class Names(dict[str, Any]):
    """Builtins, and behind them the names of the student's notebook, looked up at every use."""

    def __init__(self, session: Session, known: Mapping[str, Any]) -> None:
        super().__init__(known)
        self._session = session

    def __missing__(self, name: str) -> Value:
        return self._session.look_up(name)


def _builtins() -> dict[str, Any]:
    """Python's builtins, with an `isinstance` that knows a library's classes among the bases of a student's class."""
    return {**vars(builtins), "isinstance": _isinstance, "issubclass": _issubclass}


@functools.wraps(isinstance)
def _isinstance(value: Value, kinds: Value, /) -> bool:
    if isinstance(value, kinds):
        return True
    return stands_in(value) and type(value) is not Mirror and _claims(type(value), kinds)


@functools.wraps(issubclass)
def _issubclass(cls: Value, kinds: Value, /) -> bool:
    return issubclass(cls, kinds) or (type(cls) is Mirror and _claims(cls, kinds))


def _claims(cls: type, kinds: Value) -> bool:
    """Whether a stand-in's class says that it derives from one of these classes, of libraries that both ends have."""
    if isinstance(kinds, (tuple, types.UnionType)):
        return any(_claims(cls, kind) for kind in (kinds if isinstance(kinds, tuple) else kinds.__args__))
    return (
        isinstance(kinds, type)
        and type(kinds) is not Mirror
        and kinds.__module__ not in _OWN
        and claims(cls, kinds)
    )


_OWN = ("__main__", "builtins")
