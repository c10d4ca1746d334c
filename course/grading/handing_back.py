"""Hand feedback out through nbgrader's exchange, to everybody whom it reaches."""

from __future__ import annotations

from pathlib import Path

from nbgrader.exchange.default import ExchangeReleaseFeedback

from course.grading.clean import RECORDS


def is_reached(feedback: Path) -> bool:
    """Whether a student's folder of pages has what is needed: a secret that came with the work handed in there."""
    return all((feedback / name).is_file() for name in RECORDS)


class ReleaseFeedback(ExchangeReleaseFeedback):  # type: ignore[misc]  # nbgrader is untyped
    """nbgrader's step, which stops for all at the first student whose work was copied here, and not handed in."""

    def copy_files(self) -> None:
        """Put everybody's pages into the exchange, and name those who will not find them there."""
        wanted = Path(self.src_path)  # <folder>/<student or *>/<phase>
        folders = sorted(wanted.parent.parent.glob(f"{wanted.parent.name}/{wanted.name}"))
        copied = [folder.parent.name for folder in folders if not is_reached(folder)]
        excluded = self.coursedir.student_id_exclude
        self.coursedir.student_id_exclude = ",".join(filter(None, [excluded, *copied]))
        try:
            super().copy_files()
        finally:
            self.coursedir.student_id_exclude = excluded
        for student in copied:
            self.log.warning(
                "The work of %s was not handed in through the exchange, so they cannot find feedback there: "
                "give them the pages in feedback/%s/%s/ yourself",
                student,
                student,
                self.coursedir.assignment_id,
            )
