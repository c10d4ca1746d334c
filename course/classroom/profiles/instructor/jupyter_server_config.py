"""An instructor's JupyterLab: formgrader, open at the start, Create Assignment and Validate; nothing for students."""

from pathlib import Path

c = get_config()  # noqa: F821 - given by Jupyter
c.LabServerApp.extra_labextensions_path = [str(Path(__file__).resolve().parent / "labextensions")]
c.ServerApp.jpserver_extensions = {
    "nbgrader.server_extensions.assignment_list": False,
    "nbgrader.server_extensions.course_list": False,
    "nbgrader.server_extensions.formgrader": True,
    "nbgrader.server_extensions.validate_assignment": True,
}
