"""Show an error as IPython does, once, before kernels are forked: imported for that effect, and last.

Each kernel would else do at its first error what takes nearly all of that error's time: load the modules that show a
traceback, build the lexer that colours it, and find out which module is in which file.
"""

from __future__ import annotations

from IPython.core.ultratb import FormattedTB


def _show_an_error() -> None:
    try:
        raise ValueError("of no cell")
    except ValueError as error:
        shower = FormattedTB(mode="Context", theme_name="linux")  # type: ignore[no-untyped-call]
        shower.structured_traceback(type(error), error, error.__traceback__)


_show_an_error()
