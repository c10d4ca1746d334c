"""Classes that stand in for the student's: real classes, whose operators and attributes ask the student's kernel.

Python's own dispatch (reflected operators, NotImplemented, hashing, `except`, `super`) works with them unchanged. They may
derive from exceptions and from plain data types; then an instance holds the data itself.
"""

from __future__ import annotations

import abc
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from course.examiner.shared_names import DATA_BASES, FUNCTION_LIKE, VIRTUAL_BASES
from course.examiner.values import Value

if TYPE_CHECKING:
    from course.examiner.session import Session

_ARITHMETIC = "add sub mul truediv floordiv mod pow matmul and or xor lshift rshift divmod"
COMPARISONS = frozenset(f"__{name}__" for name in ["eq", "ne", "lt", "le", "gt", "ge"])
JUDGING = (
    COMPARISONS
    | {f"__{prefix}{name}__" for name in _ARITHMETIC.split() for prefix in ("", "r", "i")}
    | {"__contains__"}
)
"""The operators that show an object of the student's a value of the test's, and may answer to please."""

_ASKED = JUDGING | {
    f"__{name}__"
    for name in [
        "neg",
        "pos",
        "abs",
        "invert",
        "len",
        "bool",
        "hash",
        "bytes",
        "int",
        "float",
        "complex",
        "index",
        "round",
        "trunc",
        "floor",
        "ceil",
        "iter",
        "next",
        "reversed",
        "enter",
        "exit",
        "call",
        "getitem",
        "setitem",
        "delitem",
        "length_hint",
        "aiter",
        "anext",
        "aenter",
        "aexit",
        "await",
        "fspath",
        "missing",
    ]
}
"""The special methods that ask where a class defines them."""

_KEPT_OUT = frozenset(
    [
        "__dict__",
        "__weakref__",
        "__slots__",
        "__doc__",
        "__module__",
        "__qualname__",
        "__class_getitem__",
        "__new__",
        "__init_subclass__",
        "__subclasshook__",
        "__getattribute__",
        "__getattr__",
        "__setattr__",
        "__delattr__",
        "__dir__",
        "__repr__",
        "__str__",
        "__format__",
        "__class__",
        "__del__",
        "__mro_entries__",
        "__classcell__",
        "__get__",
        "__set__",
        "__delete__",
        "__set_name__",
        "__copy__",
        "__deepcopy__",
        "__reduce__",
        "__reduce_ex__",
        "__getstate__",
        "__setstate__",
        "__getnewargs__",
        "__getnewargs_ex__",
        "__sizeof__",
        "__instancecheck__",
        "__subclasscheck__",
        "__prepare__",
        "__abstractmethods__",
        "_abc_impl",
        "__static_attributes__",
        "__firstlineno__",
        "__buffer__",
        "__release_buffer__",
        "__course_about__",
        "__course_handle__",
    ]
)
"""Names of a student's class that its stand-in does not take over as they are."""

_BODY_KEPT_OUT = frozenset(
    [
        "__dict__",
        "__weakref__",
        "__module__",
        "__qualname__",
        "__class__",
        "__classcell__",
        "__static_attributes__",
        "__firstlineno__",
        "__abstractmethods__",
        "_abc_impl",
        "__new__",
        "__course_about__",
    ]
)
"""Names of a test's class that are not made again in the student's kernel."""

_OWN_OF_ERRORS = frozenset(
    [
        "args",
        "with_traceback",
        "add_note",
        "__notes__",
        "__traceback__",
        "__cause__",
        "__context__",
        "__suppress_context__",
    ]
)
_OWN_OF_OBJECTS = frozenset(["__await__", "__reduce_ex__", "__copy__", "__deepcopy__"])
_OWN_OF_CLASSES = frozenset(
    [
        "__name__",
        "__qualname__",
        "__module__",
        "__doc__",
        "__class__",
        "__abstractmethods__",
        "__subclasses__",
        "__flags__",
        "__base__",
        "__subclasshook__",
        "__copy__",
        "__deepcopy__",
        "__init_subclass__",
        "_abc_impl",
        "__reduce_ex__",
        "__text_signature__",
        "__prepare__",
        "__weakref__",
        "__instancecheck__",
        "__subclasscheck__",
        "__course_about__",
        "__basicsize__",
        "__itemsize__",
        "__mro__",
        "__bases__",
        "__type_params__",
    ]
)
_LEAVING = frozenset(["__exit__", "__aexit__"])
_VIRTUAL = frozenset(VIRTUAL_BASES.values())
_NEVER = frozenset(
    [
        "_asyncio_future_blocking",  # a stand-in is no future of this process's event loop
        *(
            "__array_interface__",
            "__array_struct__",
            "__dlpack__",
            "__dlpack_device__",
        ),  # nor memory of this process
        *("__arrow_c_array__", "__arrow_c_schema__", "__arrow_c_stream__", "__cuda_array_interface__"),
    ]
)
"""Attributes that no stand-in has, whatever the student's object says."""


@dataclass(frozen=True)
class About:
    """What a stand-in's class knows of itself."""

    session: Session
    handle: str
    module: str
    qualname: str
    base: type | None
    """The plain data type that it derives from."""
    pretends: type | None = None
    """What `__class__` of its instances says."""


@dataclass(frozen=True)
class Ref:
    """An object of the student's by its handle, without a stand-in."""

    handle: str


def stands_in(value: Value) -> bool:
    """Whether a value is a stand-in: an object or a class of the student's."""
    kind = type(value)
    return type(kind) is Mirror or kind is Mirror


def about(mirror: type) -> About:
    """What a stand-in's class, or the nearest of its bases, knows of itself."""
    found: About = type.__getattribute__(mirror, "__course_about__")
    return found


def handle_of(value: Value) -> str:
    """The handle of a stand-in."""
    if type(value) is Mirror:
        return about(value).handle
    handle: str = object.__getattribute__(value, "__dict__")["__course_handle__"]
    return handle


def set_handle(value: Value, handle: str) -> None:
    """Give a stand-in its handle."""
    object.__getattribute__(value, "__dict__")["__course_handle__"] = handle


def mro(mirror: type) -> tuple[type, ...]:
    """A class and all that it derives from, as this process sees them."""
    found: tuple[type, ...] = type.__getattribute__(mirror, "__mro__")
    return found


def own_names(cls: type) -> Mapping[str, Any]:
    """What a class itself defines, as this process sees it."""
    found: Mapping[str, Any] = type.__getattribute__(cls, "__dict__")
    return found


def claims(mirror: type, known: type) -> bool:
    """Whether a stand-in's class says that it derives from a class that this process has too, by the name of that."""
    module, qualname = known.__module__, known.__qualname__
    return any(
        (found.module, found.qualname) == (module, qualname)
        for cls in mro(mirror)
        if (found := own_names(cls).get("__course_about__")) is not None
    )


# --- what every stand-in does ---------------------------------------------------------------------------------------


def _get(self: Value, name: str) -> Value:
    cls = type(self)
    known = about(cls)
    if name == "__class__":
        return known.pretends or cls
    if name in _OWN_OF_ERRORS and issubclass_truly(cls, BaseException):
        return object.__getattribute__(self, name)
    if known.base is not None and _belongs_to_base(cls, name):
        return object.__getattribute__(self, name)
    if name == "__signature__":
        return known.session.signature(self)
    if name in _NEVER:
        raise AttributeError(name)
    if name in _OWN_OF_OBJECTS:
        return object.__getattribute__(self, name)
    return known.session.ask("get", self, name)


def _set(self: Value, name: str, value: Value) -> None:
    if name in _OWN_OF_ERRORS and issubclass_truly(type(self), BaseException):
        object.__setattr__(self, name, value)
    else:
        about(type(self)).session.ask("set", self, name, value)


def _delete(self: Value, name: str) -> None:
    about(type(self)).session.ask("del", self, name)


def _dir(self: Value) -> Value:
    return about(type(self)).session.ask("dir", self)


def _repr(self: Value) -> Value:
    return about(type(self)).session.ask("op", None, "__repr__", self)


def _str(self: Value) -> Value:
    return about(type(self)).session.ask("op", None, "__str__", self)


def _format(self: Value, how: str) -> Value:
    return about(type(self)).session.ask("op", None, "__format__", self, how)


def _copy(self: Value) -> Value:
    return about(type(self)).session.ask("copy", self, False)


def _deepcopy(self: Value, memo: object) -> Value:
    return about(type(self)).session.ask("copy", self, True)


def _reduce(self: Value, protocol: int) -> Value:
    raise TypeError("an object of the submission cannot be pickled in a test")


_ESSENTIALS: dict[str, Callable[..., Any]] = {
    "__getattribute__": _get,
    "__setattr__": _set,
    "__delattr__": _delete,
    "__dir__": _dir,
    "__repr__": _repr,
    "__str__": _str,
    "__format__": _format,
    "__copy__": _copy,
    "__deepcopy__": _deepcopy,
    "__reduce_ex__": _reduce,
}


def issubclass_truly(cls: type, base: type) -> bool:
    """Whether a class derives from another in this process, whatever the student's code says of it."""
    return base in mro(cls)


def _belongs_to_base(cls: type, name: str) -> bool:
    """Whether an attribute is the plain data type's own, and no class of the student's has another."""
    for each in mro(cls):
        if name in own_names(each):
            return type(each) is not Mirror and each is not object
    return False


# --- special methods ------------------------------------------------------------------------------------------------


def _forwarder(session: Session, owner: str, name: str) -> Callable[..., Value]:
    """The special method of a stand-in's class, which asks for that of the student's class."""
    cls = Ref(owner)
    how = "compare" if name in COMPARISONS else "contain" if name == "__contains__" else "compute"

    def ask(self: Value, *operands: Value) -> Value:
        return session.ask("op", cls, name, self, *operands)

    def judge(self: Value, *operands: Value) -> Value:
        if operands:
            if operands[0] is None and name in COMPARISONS:
                return NotImplemented
            if not session.may_meet(self, how, theirs=stands_in(operands[0])):
                method = getattr(about(type(self)).base, name, None)
                return method(self, *operands) if method else NotImplemented
        return session.ask("op", cls, name, self, *operands)

    def hash_(self: Value) -> Value:
        if session.may_meet(self, "hash", theirs=True):
            return session.ask("op", cls, name, self)
        base: Any = about(type(self)).base
        if base.__hash__ is None:
            raise TypeError(f"unhashable type: '{type(self).__name__}'")
        return base.__hash__(self)

    def call(self: Value, *args: Value, **options: Value) -> Value:
        return session.call(self, args, options)

    def leave(self: Value, kind: object, error: BaseException | None, traceback: object) -> Value:
        answer = session.ask("op", cls, name, self, error, traceback is not None)
        if error is None:
            return answer
        if name == "__exit__":
            return session.swallows(error, answer)
        return _leaving(session, error, answer) if _is_awaitable(answer) else answer

    special: dict[str, Callable[..., Value]] = {
        "__call__": call,
        "__hash__": hash_,
        **dict.fromkeys(_LEAVING, leave),
        "__await__": _wait,
    }
    method: Callable[..., Value] = special.get(name, judge if name in JUDGING else ask)
    if method is not _wait:
        method.__name__ = method.__qualname__ = name
    return method


async def _leaving(session: Session, error: BaseException, answer: Value) -> bool:
    """What an `__aexit__` says of an error, once it is awaited."""
    return session.swallows(error, await answer)


def _is_awaitable(value: Value) -> bool:
    return _defined(type(value), "__await__") is not None


def _defined(cls: type, name: str) -> Value:
    """What a class has under a name, as this process sees it, or None."""
    return next((own_names(each)[name] for each in mro(cls) if name in own_names(each)), None)


def _wait(self: Value) -> Iterator[Any]:
    return about(type(self)).session.waits.awaited(self).__await__()


def _bind(function: Value, instance: Value, owner: type | None = None) -> Value:
    return function if instance is None else types.MethodType(function, instance)


class _Part:
    """A name in the body of a student's class, for `super()` in a subclass that a test makes."""

    def __init__(self, session: Session, owner: str, name: str) -> None:
        self._session = session
        self._owner = Ref(owner)
        self._name = name

    def __get__(self, instance: Value, owner: type | None = None) -> Value:
        if instance is None:
            return self._session.ask("get", self._owner, self._name)
        return self._session.ask("super", self._owner, self._name, instance)


# --- classes --------------------------------------------------------------------------------------------------------


class Mirror(abc.ABCMeta):
    """The class of the classes that stand in.

    To derive from one in a test makes the class in the student's kernel too; to call one makes an object there.
    """

    def __new__(  # noqa: D102
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Value
    ) -> Value:
        session = next(about(base).session for base in bases if type(base) is Mirror)
        return derive(session, name, bases, namespace, options)

    def __init__(cls, *args: Value, **options: Value) -> None:
        pass

    def __call__(cls, *args: Value, **options: Value) -> Value:  # noqa: D102
        return about(cls).session.call(cls, args, options)

    def __getattribute__(cls, name: str) -> Value:
        if name in _OWN_OF_CLASSES:
            return type.__getattribute__(cls, name)
        session = about(cls).session
        if name == "__dict__":
            return types.MappingProxyType(dict(session.ask("vars", cls)))
        if name == "mro":
            return lambda: list(mro(cls))
        if name == "__signature__":
            return session.signature(cls)
        if name in _NEVER:
            raise AttributeError(name)
        if name in _LEAVING and (found := _defined(cls, name)) is not None:
            return found  # an ExitStack takes it from the class
        return session.ask("get", cls, name)

    def __setattr__(cls, name: str, value: Value) -> None:
        if name in ("__abstractmethods__", "_abc_impl"):
            type.__setattr__(cls, name, value)
            return
        about(cls).session.ask("set", cls, name, value)
        grow(cls, [name])
        if name == "__hash__" and value is None:
            type.__setattr__(cls, name, None)

    def __delattr__(cls, name: str) -> None:
        about(cls).session.ask("del", cls, name)

    def __dir__(cls) -> Value:
        return about(cls).session.ask("dir", cls)

    def __instancecheck__(cls, instance: Value) -> bool:
        if type.__instancecheck__(cls, instance):
            return True
        return about(cls).session.is_a("isinstance", instance, cls)

    def __subclasscheck__(cls, subclass: Value) -> bool:
        if type.__subclasscheck__(cls, subclass):
            return True
        if subclass in _VIRTUAL:  # it is being registered with its real counterpart
            return False
        if stands_in(subclass) and about(subclass).session is not about(cls).session:
            return False  # an earlier test's class, which a registry still knows
        return about(cls).session.is_a("issubclass", subclass, cls)

    def __bool__(cls) -> bool:
        return True

    def __iter__(cls) -> Value:
        return about(cls).session.ask("meta", "__iter__", cls)

    def __len__(cls) -> Value:
        return about(cls).session.ask("meta", "__len__", cls)

    def __getitem__(cls, key: Value) -> Value:
        return about(cls).session.ask("meta", "__getitem__", cls, key)

    def __contains__(cls, item: Value) -> Value:
        session = about(cls).session
        if not stands_in(item) and not session.may_meet(cls, "contain"):
            return False
        return session.ask("meta", "__contains__", cls, item)


def mirror_class(
    session: Session,
    handle: str,
    bases: Iterable[type],
    names: Iterable[str],
    *,
    name: str,
    module: str,
    qualname: str,
    doc: str | None,
    unhashable: bool,
) -> Mirror:
    """A class that stands in for one of the student's with these bases, which defines these names itself.

    Raises TypeError or ValueError where Python allows no such class.
    """
    namespace: dict[str, Any] = {
        **_ESSENTIALS,
        "__module__": module,
        "__qualname__": qualname,
        "__doc__": doc,
        "__course_about__": About(session, handle, module, qualname, None, FUNCTION_LIKE.get((module, name))),
    }
    for each in names:
        if each not in namespace and (part := _part(session, handle, each)) is not None:
            namespace[each] = part
    if unhashable:
        namespace["__hash__"] = None
    if (module, name) == ("builtins", "function"):
        namespace["__get__"] = _bind
    cls: Mirror = type.__new__(Mirror, name, tuple(bases) or (object,), namespace)
    _note_base(cls)
    virtual = VIRTUAL_BASES.get((module, qualname))
    if virtual is not None and not any(issubclass_truly(cls, base) for base in DATA_BASES):
        virtual.register(cls)  # type: ignore[attr-defined] # an abstract base class
    return cls


def grow(cls: Mirror, names: Iterable[str]) -> None:
    """Note that a student's class defines more names by now."""
    known = about(cls)
    for each in names:
        if each not in own_names(cls) and (part := _part(known.session, known.handle, each)) is not None:
            type.__setattr__(cls, each, part)


def _part(session: Session, handle: str, name: str) -> Value:
    """What a stand-in's class has for a name that the student's class defines; None where it has nothing."""
    if name in _ASKED:
        return _forwarder(session, handle, name)
    if name in _KEPT_OUT or (name in _OF_TYPE and name != "__init__"):
        return None
    return _Part(session, handle, name)


_OF_TYPE = frozenset(dir(type)) - {"mro"}


def _note_base(cls: Mirror, **more: Any) -> None:  # noqa: ANN401 - fields of About
    base = next((each for each in mro(cls) if each in DATA_BASES), None)
    known = about(cls)
    fields = {**vars(known), "base": base, **more}
    type.__setattr__(cls, "__course_about__", About(**fields))


def derive(
    session: Session,
    name: str,
    bases: tuple[type, ...],
    namespace: Mapping[str, Any],
    options: Mapping[str, Value],
    pretends: type | None = None,
) -> Mirror:
    """A class of the test's that derives from the student's, or is to live with them: made at both ends.

    Its methods are the test's, which the student's kernel calls back.
    """
    local = {key: value for key, value in namespace.items() if key not in ("__dict__", "__weakref__")}
    if not any(type(base) is Mirror for base in bases):
        local = {**_ESSENTIALS, **{key: value for key, value in local.items() if key not in _ESSENTIALS}}
    module, qualname = str(namespace.get("__module__", "__main__")), str(namespace.get("__qualname__", name))
    local["__course_about__"] = About(session, "", module, qualname, None)
    cls: Mirror = type.__new__(Mirror, name, bases, local)
    there = tuple(session.twin(base) for base in bases if base is not object)
    handle = session.ask("subclass", name, there, _body(namespace), tuple(options.items()))
    session.stand_ins.keep_class(handle, cls)
    _note_base(cls, handle=handle, pretends=pretends)
    return cls


def _body(namespace: Mapping[str, Any]) -> tuple[tuple[str, str, Any], ...]:
    """What a test's class defines: name, how it is wrapped, and what is wrapped."""
    found: list[tuple[str, str, Any]] = []
    for name, value in namespace.items():
        if name in _BODY_KEPT_OUT or (name == "__doc__" and value is None):
            continue
        if type(value) is property:
            found.append((name, "property", (value.fget, value.fset, value.fdel)))
        elif type(value) in (staticmethod, classmethod):
            found.append((name, type(value).__name__, value.__func__))
        else:
            found.append((name, "plain", value))
    return tuple(found)
