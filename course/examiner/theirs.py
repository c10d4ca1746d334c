"""The test's own objects, as the student's code sees them: what is open of them is used where they are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from course.examiner.values import Value

if TYPE_CHECKING:
    from course.examiner.student import Student


class Theirs:
    """An object of the test's: its operators, and its public attributes, are used where it is."""

    def __init__(self, student: Student, number: str, kind: str) -> None:
        self.__dict__.update(_student=student, _number=number, _kind=kind)

    def __getattr__(self, name: str) -> Value:
        return self._student.back("get", self._number, name)

    def __copy__(self) -> Theirs:
        return self

    def __deepcopy__(self, memo: object) -> Theirs:
        return self

    def __setattr__(self, name: str, value: Value) -> None:
        self._student.back("set", self._number, name, value)


def _their_operator(name: str) -> Callable[..., Value]:
    def operate(self: Theirs, *operands: Value, **options: Value) -> Value:
        if name == "__call__":
            return self._student.back("call", self._number, operands, tuple(options.items()))
        if name in ("__exit__", "__aexit__"):
            operands = (operands[1], operands[2] is not None)
        return self._student.back("operate", self._number, name, *operands)

    return operate


@functools.lru_cache(500)
def their_class(name: str, operators: tuple[str, ...]) -> type[Theirs]:
    """The class of an object of the test's, by the name of its class there and the operators that are open."""
    own = {each: _their_operator(each) for each in operators}
    if "__eq__" in own:
        own.setdefault("__hash__", None)  # type: ignore[arg-type]
    return type(name, (Theirs,), own)
