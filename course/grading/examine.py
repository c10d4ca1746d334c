"""The step of `nbgrader autograde` that runs a notebook: `Examine` in place of nbgrader's Execute.

So nbgrader's command, formgrader's button and `course grade` all run students' code in the same cage.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory

from course.grading.engine import job_settings
from course.grading.execution import CagedExecute
from course.grading.rebuild import known_cells, lab_order
from course.grading.reference import reference


class Examine(CagedExecute):
    """Runs a notebook caged and examined, as its lab's reference solution has taught.

    Raises CageError where there is no cage, and CourseError where there is no reference solution.
    """

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any] | None = None, km: None = None
    ) -> tuple[NotebookNode, dict[str, Any]]:
        """Run all cells of `nb`, in place."""
        where = (resources or {}).get("nbgrader")
        if where:
            folder = CourseDirectory(config=self.config)
            phase = folder.format_path(folder.source_directory, ".", where["assignment"])
            source = Path(phase) / f"{where['notebook']}.ipynb"
            with Gradebook(where["db_url"], folder.course_id) as gradebook:
                known = known_cells(gradebook, where["assignment"], where["notebook"], lab_order(source))
            learned = reference(Path(folder.root), source, known, job_settings(self.config))
            for test, error in learned.failed.items():
                self.log.warning("The reference solution in %s does not pass %s: %s", source, test, error)
            self.recordings, self.imports = learned.recordings, learned.imports
        return super().preprocess(nb, resources, km)
