"""Where the results of grading one's own work lie: `work/.course/grading/`, made anew each time."""

from __future__ import annotations

from pathlib import Path


def grading_folder(root: Path) -> Path:
    """The course folder of this one grading."""
    return root / "work" / ".course" / "grading"


def results_file(root: Path) -> Path:
    """What the last grading came to, as JSON."""
    return grading_folder(root) / "results.json"


def autograded(root: Path, phase: str) -> Path:
    """The executed notebooks of a phase."""
    return grading_folder(root) / "autograded" / "you" / phase


def feedback(root: Path, phase: str) -> Path:
    """The feedback pages of a phase, one a lab."""
    return grading_folder(root) / "feedback" / "you" / phase
