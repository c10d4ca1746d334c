"""How a `with` block is left where its error came from the other side, by value."""

from __future__ import annotations

import sys
from types import TracebackType

Exited = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
"""What `__exit__` is called with."""


def exit_arguments(error: BaseException | None, raised: bool) -> Exited:
    """What `__exit__` is to get; an error that was `raised` there, and not here, gets a traceback that ends here."""
    if error is None:
        return None, None, None
    if raised and error.__traceback__ is None:
        here = sys._getframe(1)
        error.__traceback__ = TracebackType(None, here, here.f_lasti, here.f_lineno)
    return type(error), error, error.__traceback__ if raised else None
