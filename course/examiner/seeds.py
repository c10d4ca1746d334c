"""Have a test's `random.seed` seed the student's kernel too: in a notebook both draw from one generator."""

from __future__ import annotations

import functools
import random
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from course.examiner.session import Session


def places() -> list[tuple[Any, str]]:
    """What `share` replaces."""
    numpy = sys.modules.get("numpy")
    return [(random, "seed"), *([(numpy.random, "seed")] if numpy else [])]


def share(session: Session) -> None:
    """From now on whoever seeds the generators of `random` or numpy here seeds those of the kernel as well."""
    for place, name in places():
        library = place.__name__.partition(".")[0]
        setattr(place, name, _both(getattr(place, name), session, library))


def seed(library: str, args: tuple[Any, ...], options: tuple[tuple[str, Any], ...]) -> None:
    """In the student's kernel: seed the generator of "random" or "numpy" as the test has seeded its own."""
    if library == "random":
        random.seed(*args, **dict(options))
    elif numpy := sys.modules.get("numpy"):
        numpy.random.seed(*args, **dict(options))


def _both(seed_here: Callable[..., Any], session: Session, library: str) -> Callable[..., None]:
    @functools.wraps(seed_here)
    def seed_both(*args: object, **options: object) -> None:
        seed_here(*args, **options)
        session.ask("seed", library, args, tuple(options.items()))

    return seed_both
