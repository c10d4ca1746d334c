"""A student's JupyterLab: the course home, and nothing of nbgrader's for instructors."""

from pathlib import Path

classroom = Path(__file__).resolve().parents[2]
work = classroom.parents[1] / "work"

c = get_config()  # noqa: F821 - given by Jupyter
c.LabServerApp.extra_labextensions_path = [str(classroom / "labextensions")]
c.ServerApp.jpserver_extensions = {
    "course.classroom.server": True,
    "jupyterlab_jupytext": False,
    "nbgrader.server_extensions.assignment_list": False,
    "nbgrader.server_extensions.course_list": False,
    "nbgrader.server_extensions.formgrader": False,
    "nbgrader.server_extensions.validate_assignment": False,
}
if work.is_dir():
    c.ServerApp.root_dir = str(work)
