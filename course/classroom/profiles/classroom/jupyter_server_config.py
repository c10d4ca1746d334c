"""A student's JupyterLab in a classroom: as at home, with nbgrader's list of assignments to hand in."""

from pathlib import Path

c = get_config()  # noqa: F821 - given by Jupyter
load_subconfig("jupyter_server_config.py", str(Path(__file__).parents[1] / "student"))  # noqa: F821 - and this
c.ServerApp.jpserver_extensions |= {
    "nbgrader.server_extensions.assignment_list": True,
    "nbgrader.server_extensions.validate_assignment": True,  # the list has a button for it
}
