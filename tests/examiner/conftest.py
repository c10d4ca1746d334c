"""A real zygote, and cells forked from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from course.cage.host import Zygote
from course.examiner.preload import PRELOAD


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    """A cage whose cells have the imports of kernels and desks."""
    with Zygote(PRELOAD) as zygote:
        yield zygote
