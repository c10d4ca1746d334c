"""What a run of a test cell with the reference solution has shown about the cell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Recording:
    """What the examiner must know of a test cell beforehand."""

    sites: frozenset[str] = frozenset()
    """Where in the cell's source an object of the student's legitimately meets data of the test's."""

    modules: Mapping[str, str] = field(default_factory=dict)
    """The notebook's names that mean modules, with the modules' names: the examiner imports those itself."""

    names: frozenset[str] = frozenset()
    """The names of builtins that the notebook gives another meaning."""

    def as_json(self) -> dict[str, Any]:
        """This recording as JSON-able data, always in the same order."""
        return {
            "sites": sorted(self.sites),
            "modules": dict(sorted(self.modules.items())),
            "names": sorted(self.names),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Recording:
        """The recording that `as_json` wrote."""
        return cls(frozenset(data["sites"]), dict(data["modules"]), frozenset(data["names"]))
