"""Which phases come before which: the arrows of the map, made from what the labs require."""

from __future__ import annotations

from course.syllabus import Syllabus


def needed_phases(syllabus: Syllabus) -> dict[str, tuple[tuple[int, ...], int]]:
    """For each phase's folder: the numbers of the phases needed directly before it, and its step along the way.

    A phase that another needed phase needs itself is left out. The step is the length of the longest way to the phase.
    """
    numbers = {phase.folder: phase.number for phase in syllabus.phases}
    named = {
        phase.folder: {
            syllabus.lab(name).folder for lab in syllabus.labs_of(phase.folder) for name in lab.requires
        }
        - {phase.folder}
        for phase in syllabus.phases
    }
    found: dict[str, tuple[tuple[int, ...], int]] = {}
    for folder in numbers:
        direct = named[folder] - {far for near in named[folder] for far in _all_before(near, named)}
        found[folder] = (tuple(sorted(numbers[each] for each in direct)), _step(folder, named))
    return found


def _all_before(folder: str, named: dict[str, set[str]]) -> set[str]:
    return named[folder] | {far for near in named[folder] for far in _all_before(near, named)}


def _step(folder: str, named: dict[str, set[str]]) -> int:
    return max((_step(each, named) + 1 for each in named[folder]), default=0)
