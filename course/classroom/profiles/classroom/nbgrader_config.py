"""nbgrader's settings for a student who hands in: where the exchange is, and what of `work/` goes there.

The list of assignments reads this from within the folder that JupyterLab shows, which is `work/`.
"""

import os
from pathlib import Path

from course.publishing.layout import NOT_RELEASED

c = get_config()  # noqa: F821 - given by nbgrader
c.CourseDirectory.course_id = "backend"
c.Exchange.root = os.environ["COURSE_EXCHANGE"]
c.Exchange.assignment_dir = str(Path.cwd())
# Feedback of earlier days, and the file that a lab was before its new version, are not handed in.
c.CourseDirectory.ignore = [*NOT_RELEASED, "feedback", "* (before *).ipynb"]
