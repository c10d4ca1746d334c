"""nbgrader's settings for this course: its commands and pages work from this folder without flags."""

import os
import sys
from contextlib import suppress
from pathlib import Path

from course.publishing.layout import NOT_RELEASED

c = get_config()  # noqa: F821 - given by nbgrader
root = Path(__file__).resolve().parent

# nbgrader starts `alembic` by name: find it where nbgrader is, in an environment that nobody has activated too.
programs, path = str(Path(sys.executable).parent), os.environ.get("PATH", "")
if programs not in path.split(os.pathsep):
    os.environ["PATH"] = os.pathsep.join([programs, path])

# --- the course folder: source/<phase>/<lab>, release/..., submitted/<student>/<phase>/..., gradebook.db
c.CourseDirectory.course_id = "backend"
c.CourseDirectory.root = str(root)
# Labs' texts hold the solutions: nbgrader would copy them into release/, and beside a submission being graded.
c.CourseDirectory.ignore = [*NOT_RELEASED, "feedback"]

# --- publishing: source/ -> release/ (`course build` runs the same steps)
c.GenerateAssignment.preprocessors = [
    "course.publishing.stubs.RequireCurrentSource",
    "nbgrader.preprocessors.IncludeHeaderFooter",
    "nbgrader.preprocessors.InstantiateTests",
    "nbgrader.preprocessors.LockCells",
    "course.publishing.stubs.ClearSolutionsByLanguage",  # instead of nbgrader's ClearSolutions
    "nbgrader.preprocessors.ClearOutput",
    "course.publishing.stubs.ClearMetadata",
    "nbgrader.preprocessors.CheckCellMetadata",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.SaveCells",
    "nbgrader.preprocessors.ClearHiddenTests",
    "nbgrader.preprocessors.ClearMarkScheme",
    "nbgrader.preprocessors.ComputeChecksums",
    "nbgrader.preprocessors.CheckCellMetadata",
]
# release/ and what is handed out are made from source/ and hold nobody's work: make them anew each time.
c.GenerateAssignment.force = True
c.ExchangeReleaseAssignment.force = True

# --- handing out and in: one folder that students and the instructor can both write to
exchange = Path(os.environ.get("COURSE_EXCHANGE") or root / "exchange").expanduser().absolute()
c.Exchange.root = str(exchange)
if not exchange.exists():
    with suppress(OSError):  # nbgrader, and `course teach`, say what is wrong with it
        exchange.mkdir(parents=True)
        exchange.chmod(0o777)
c.ExchangeFactory.release_feedback = "course.grading.handing_back.ReleaseFeedback"

# --- grading: the steps of autograde and feedback
# Run notebooks with this environment's Python, whatever other `python3` kernel a user has installed.
kernels, path = str(Path(sys.prefix) / "share" / "jupyter"), os.environ.get("JUPYTER_PATH", "")
if kernels not in path.split(os.pathsep)[:1]:
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [kernels, path]))
c.Autograde.pre_convert_hook = "course.grading.clean.clean_submission"
c.Autograde.sanitize_preprocessors = [
    "course.grading.rebuild.RebuildNotebook",  # instead of ClearOutput, DeduplicateIds and OverwriteCells
    "nbgrader.preprocessors.OverwriteKernelspec",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.Autograde.autograde_preprocessors = [
    "course.grading.examine.Examine",  # instead of nbgrader's Execute: caged and examined
    "nbgrader.preprocessors.IgnorePattern",
    "nbconvert.preprocessors.ClearMetadataPreprocessor",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.SaveAutoGrades",
    "nbgrader.preprocessors.AssignLatePenalties",
    "nbgrader.preprocessors.CheckCellMetadata",
]
c.KernelManager.transport_encryption = "auto"  # what notebooks put out is nobody else's on this computer
c.Execute.timeout = 30  # seconds for a cell
c.Execute.error_on_timeout = {
    "ename": "CellTimeoutError",
    "evalue": "",
    "traceback": ["This cell ran too long and was stopped."],
}
c.CourseDirectory.ignore += [".graded.json"]
c.GenerateFeedback.pre_convert_hook = "course.grading.clean.clean_output"
c.GenerateFeedback.exporter_class = "course.grading.feedback.FeedbackExporter"
c.GenerateFeedback.preprocessors = [
    "course.grading.feedback.GetResults",
    "course.grading.feedback.HideTests",
]

# --- formgrader: what a student wrote or put out must not act as the instructor who looks at it
c.HTMLExporter.sanitize_html = True
c.HTMLExporter.preprocessors = ["course.grading.safe_html.HarmlessOutputs"]
c.HTMLExporter.filters = {
    "markdown2html": "course.grading.safe_html.safe_markdown",
    "clean_html": "course.grading.safe_html.safe_html",
    "ansi2html": "course.grading.safe_html.safe_ansi",
}
