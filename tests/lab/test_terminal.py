"""`%%terminal` and `run_commands`: a real shell, in real folders and real kernels."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from course.lab.failures import explain
from course.lab.terminal import (
    Commands,
    NoCommands,
    Outcome,
    PracticeFolder,
    TerminalError,
    practice_folder,
    run_commands,
    shells,
)
from course.lab.terminal.running import run_lines
from course.lab.terminal.shells import plain_error, posix_script
from course.lab.terminal.spelling import for_posix

posix = pytest.mark.skipif(sys.platform == "win32", reason="what bash says")

OFFICE = {
    "orders/2026/january.txt": "order 1\n",
    "orders/2026/may/first.txt": "order 2\n",
    "my notes/to do.txt": "call Ada\n",
    "readme.txt": "Welcome\n",
    ".env": "SECRET=1\n",
    "archive/": "",
}


@pytest.fixture
def office() -> PracticeFolder:
    return practice_folder(OFFICE, name="office")


def ran(text: str, contents: dict[str, str] = OFFICE, **more: str) -> Outcome:
    return run_commands(text, on=practice_folder(contents, **more))


# --- the folder -----------------------------------------------------------------------------------------------------


def test_a_folder_is_made_when_it_is_used_and_can_be_made_anew(office: PracticeFolder) -> None:
    assert (office.path / "orders/2026/january.txt").read_text() == "order 1\n"
    assert (office.path / "archive").is_dir()
    assert office.entries() == [
        ".env",
        "archive/",
        "my notes/",
        "my notes/to do.txt",
        "orders/",
        "orders/2026/",
        "orders/2026/january.txt",
        "orders/2026/may/",
        "orders/2026/may/first.txt",
        "readme.txt",
    ]
    before = office.path
    (before / "readme.txt").unlink()
    copy = office.copy()
    assert (copy.path / "readme.txt").exists()
    office.remove()
    assert not before.exists()
    assert not before.parent.exists()
    assert (office.path / "readme.txt").exists()


def test_a_folder_is_shown_as_a_tree_before_it_is_on_disk_and_after(office: PracticeFolder) -> None:
    tree = [
        "office/",
        "├── .env",
        "├── archive/",
        "├── my notes/",
        "│   └── to do.txt",
        "├── orders/",
        "│   └── 2026/",
        "│       ├── january.txt",
        "│       └── may/",
        "│           └── first.txt",
        "└── readme.txt",
    ]
    assert repr(office).splitlines() == tree
    assert office._path is None
    (office.path / "<new>").mkdir()
    assert "├── <new>/" in repr(office)
    assert "├── &lt;new&gt;/" in office._repr_html_()


def test_folders_are_gone_when_python_ends_but_not_when_a_fork_of_it_does(tmp_path: Path) -> None:
    program = (
        "import os, sys\n"
        "from course.lab import practice_folder\n"
        "office = practice_folder({'a.txt': ''})\n"
        "print(office.path, flush=True)\n"
        "if os.fork() == 0:\n    sys.exit()\n"
        "os.wait()\n"
        "print(office.path.exists())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    path, lived = done.stdout.split()
    assert lived == "True"
    assert not Path(path).parent.exists()


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../x", "a\\b", "a//b", "", "a:b", "what?", "."])
def test_paths_that_cannot_be_made_everywhere_are_refused(path: str) -> None:
    with pytest.raises(TerminalError, match="relative path"):
        practice_folder({path: ""})


def test_a_folder_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(TerminalError, match="a file and a folder"):
        practice_folder({"a": "", "a/b": ""})
    with pytest.raises(TerminalError, match="no folder 'b'"):
        practice_folder({"a/b": ""}, start="b")


# --- running --------------------------------------------------------------------------------------------------------


def test_what_commands_did_is_plain_data() -> None:
    outcome = ran("# look\nls\n\ncd orders/2026\nmkdir june\ncat january.txt\ncat february.txt")
    assert outcome.folder == "orders/2026"
    assert [line.command for line in outcome.lines] == [
        "ls",
        "cd orders/2026",
        "mkdir june",
        "cat january.txt",
        "cat february.txt",
    ]
    assert [line.folder for line in outcome.lines] == ["", *["orders/2026"] * 4]
    assert [line.failed for line in outcome.lines] == [False] * 4 + [True]
    assert outcome.lines[0].output == "archive\nmy notes\norders\nreadme.txt\n"
    assert outcome.lines[3].output == "order 1\n"
    assert outcome.lines[4].output == ""
    assert "No such file or directory" in outcome.lines[4].errors
    assert outcome.printed == "".join(line.output + line.errors for line in outcome.lines)
    assert "orders/2026/june/" in outcome.files
    assert outcome.contents["my notes/to do.txt"] == "call Ada\n"
    assert "archive/" not in outcome.contents


def test_each_run_begins_at_the_start_of_a_fresh_folder(office: PracticeFolder) -> None:
    office.current = office.path / "orders"
    (office.path / "new.txt").touch()
    for _ in range(2):
        outcome = run_commands(Commands("answer", "mkdir reports\ncd reports"), on=office)
        assert (outcome.folder, outcome.lines[0].failed) == ("reports", False)
        assert "new.txt" not in outcome.files
    assert office.entries().count("new.txt") == 1
    assert "reports/" not in office.entries()
    assert ran("pwd", start="orders/2026").folder == "orders/2026"


def test_a_run_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert "new/" in ran("mkdir new").files
    assert list(tmp_path.iterdir()) == []


@posix
def test_the_shell_is_real_and_keeps_what_a_shell_keeps() -> None:
    text = 'cd orders && ls | wc -l\nname=2026\ncd "$name"\ngreet() { echo "hi $1"; }\ngreet \'a  b\'\ncd -\necho *'
    outcome = ran(text)
    assert [line.output.strip() for line in outcome.lines[:2]] == ["1", ""]
    assert outcome.lines[4].output == "hi a  b\n"
    assert outcome.folder == "orders"
    assert outcome.lines[6].output == "2026\n"


@posix
def test_errors_are_the_shells_own() -> None:
    outcome = ran('cd nowhere\nfindreport\nls "\ncat orders\nls missing.txt')
    assert [line.failed for line in outcome.lines] == [True] * 5
    errors = [line.errors for line in outcome.lines]
    assert errors[0] == "bash: cd: nowhere: No such file or directory\n"
    assert errors[1] == "bash: findreport: command not found\n"
    assert errors[2].startswith("bash: unexpected EOF")
    assert errors[3].endswith("orders: Is a directory\n")
    assert outcome.folder == ""


def test_home_is_the_top_of_the_folder() -> None:
    assert ran("cd ~/orders/2026\ncd ~").folder == ""
    assert [line.folder for line in ran("cd orders\ncd ..\ncd ..").lines] == ["orders", "", ".."]


def test_python_is_the_kernels_own() -> None:
    show = '-c "import sys; print(sys.prefix)"'
    outcome = ran(f"python --version\npython {show}\npython3 {show}\npy {show}\ncd orders\npython {show}")
    version = ".".join(map(str, sys.version_info[:3]))
    assert outcome.lines[0].output.startswith(f"Python {version}")
    assert {outcome.lines[n].output.strip() for n in (1, 2, 3, 5)} == {sys.prefix}


@posix
def test_a_python_without_the_name_python_gets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    only = tmp_path / "python3.99"
    only.symlink_to(sys.executable)
    monkeypatch.setattr(sys, "executable", str(only))
    script = posix_script(["python -c 'print(5)'"], tmp_path)
    subprocess.run([shutil.which("sh") or "sh", "-c", script], env={"PATH": "/nowhere"}, check=True)
    assert (tmp_path / "1.out").read_text() == "5\n"


def test_programs_get_no_input() -> None:
    outcome = ran('cat\npython\npython -c "print(input())"\npwd')
    assert outcome.lines[0].output == outcome.lines[1].output == ""
    assert outcome.lines[2].errors.endswith("EOFError: EOF when reading a line\n")
    assert not outcome.lines[3].failed


@posix
def test_what_does_not_end_is_stopped_and_the_next_line_runs(office: PracticeFolder) -> None:
    """The first two lines end at once, so that the third is not stopped for their sake."""
    lines, end = run_lines(
        ["cd orders", "pwd", "echo begun; sleep 100", "cd 2026", "sleep 100 & pwd"],
        office.path,
        office.path,
        seconds=1,
    )
    assert lines[2].failed
    assert lines[2].output == "begun\n"
    assert lines[2].note.startswith("Stopped: it had not ended after 1 seconds")
    assert [line.folder for line in lines] == ["orders", "orders", "orders", "orders/2026", "orders/2026"]
    assert end == office.path / "orders/2026"
    assert not lines[4].failed


@posix
def test_an_endless_output_neither_fills_the_disk_nor_the_notebook() -> None:
    outcome = ran("yes\npwd")
    assert len(outcome.lines[0].output) < 30_000
    assert outcome.lines[0].output.endswith("(the rest is left out)\n")
    assert (outcome.lines[0].failed, outcome.lines[0].note) == (
        True,
        "",
    )  # it was not the time that stopped it
    assert outcome.lines[1].output.endswith("practice\n")


@posix
def test_a_closed_shell_is_followed_by_a_new_one() -> None:
    outcome = ran("cd orders\nexit\npwd")
    assert outcome.lines[1].note == "The shell ended here. The next line gets a new one."
    assert outcome.lines[2].output.endswith("/orders\n")


@posix
def test_a_terminal_survives_the_loss_of_its_folder(office: PracticeFolder) -> None:
    outcome = ran("cd orders\nrm -r ~\npwd\ncd /")
    assert outcome.files == []
    assert not outcome.lines[3].failed
    office.current = office.path / "archive"
    (office.path / "archive").rmdir()
    assert office.current == office.path


@posix
def test_colours_and_the_machines_language_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"FORCE_COLOR": "1", "CDPATH": "/", "LANGUAGE": "de", "LC_ALL": "de_DE.UTF-8"}.items():
        monkeypatch.setenv(name, value)
    outcome = ran("printf '\\033[31mred\\033[0m\\n'\npython -c 'len(5)'\ncd orders")
    assert outcome.lines[0].output == "red\n"
    assert "\x1b" not in outcome.lines[1].errors
    assert outcome.lines[2].output == ""


# --- what Windows learners type, on POSIX ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "run"),
    [
        # paths
        (r"cd orders\2026", "cd orders/2026"),
        (r"cd ..\..", "cd ../.."),
        (r"cd .\orders" + "\\", "cd ./orders/"),
        (r"cd ~\orders", "cd ~/orders"),
        (r'dir "my notes\old"', 'ls "my notes/old"'),
        (r"cd '.\my notes" + "\\'", "cd './my notes/'"),
        (r'cd "my notes\"', 'cd "my notes/"'),
        (r"dir orders\*.txt", "ls orders/*.txt"),
        (r"mkdir reports\may", "mkdir -p reports/may"),
        (r"ls orders\ && pwd", "ls orders/ && pwd"),
        (r"type orders\a.txt; dir .\x", "cat orders/a.txt; ls ./x"),
        (r"echo hi > orders\note.txt", "echo hi > orders/note.txt"),
        (r"python .\shop\report.py a\b", r"python ./shop/report.py a\b"),
        (r"py report.py", "python report.py"),
        # names and options
        ("dir", "ls"),
        ("DIR -FORCE", "ls -a"),
        ("ls -Force", "ls -a"),
        ("dir -fo", "ls -a"),
        ("Get-ChildItem -Path orders -Force", "ls  orders -a"),
        ("gci -Recurse -Name", "ls -R -1"),
        ("Set-Location orders", "cd orders"),
        ("md reports", "mkdir reports"),
        ("cls", ":"),
        ("clear", ":"),
        ("Get-Content readme.txt", "cat readme.txt"),
        ("New-Item -ItemType Directory -Name reports", "mkdir -p reports"),
        ("ni a.txt", "touch a.txt"),
        ("pwd && dir | sort", "pwd && ls | sort"),
    ],
)
def test_windows_spellings(typed: str, run: str) -> None:
    assert for_posix(typed) == run


@pytest.mark.parametrize(
    "line",
    [
        r"cd my\ notes",
        r'cd "my notes"',
        r"ls 'it'\''s'",
        r'echo "a\tb"',
        r"printf 'a\nb\n' | sort",
        r'grep "\d" orders.txt',
        r"""python -c 'print("a\nb")'""",
        r"ls \*",
        r"ls a\"b \$x \\",
        r'ls "a\$b" "c\"d"',
        "ls -la -r -fi",
        "type python",
        "for f in *; do echo $f; done",
        "cat <<< hi 2>&1 >out.txt",
        "(cd orders; pwd)",
        "unfinished '",
        "a=1 b=2",
        "",
    ],
)
def test_everything_else_is_left_to_the_shell(line: str) -> None:
    assert for_posix(line) == line


def test_a_line_may_be_written_as_powershell_takes_it() -> None:
    assert for_posix("cd..") == "cd .."
    assert for_posix(r"cd..\..") == "cd ../.."
    assert for_posix("CD orders; LS") == "cd orders; ls"


@posix
def test_windows_answers_do_what_they_do_on_windows() -> None:
    outcome = ran(
        "cd orders\\2026\\\ncls\ncd..\nmkdir new\\deep\ncd 'new\\deep'\ntype ..\\..\\2026\\january.txt\ndir ~ -Force"
    )
    assert not any(line.failed for line in outcome.lines)
    assert outcome.folder == "orders/new/deep"
    assert outcome.lines[5].output == "order 1\n"
    assert ".env" in outcome.lines[6].output


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("bash: line 12: foo: command not found\n", "bash: foo: command not found\n"),
        ("/bin/bash: line 3: cd: x: No such\n", "bash: cd: x: No such\n"),
        ("bash: eval: line 4: unexpected EOF\n", "bash: unexpected EOF\n"),
        ("sh: 5: eval: foo: not found\n", "sh: foo: not found\n"),
        ("ls: cannot access 'line 3: x'\n", "ls: cannot access 'line 3: x'\n"),
    ],
)
def test_messages_are_shown_without_lines_of_our_script(said: str, shown: str) -> None:
    assert plain_error(said) == shown


@posix
def test_it_works_without_bash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sh", "ls", "cat"):
        (tmp_path / name).symlink_to(shutil.which(name) or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    outcome = ran('cd orders\nls\nnothing\nls "\ncd 2026')
    assert outcome.lines[1].output == "2026\n"
    assert [line.failed for line in outcome.lines] == [False, False, True, True, False]
    assert outcome.folder == "orders/2026"


@posix
def test_powershell_is_given_the_lines_and_a_script_that_it_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What can be tried without Windows: the rest is PowerShell's."""
    (tmp_path / "powershell").symlink_to(shutil.which("sh") or "")
    monkeypatch.setenv("PATH", str(tmp_path))
    lines = ["cd orders", "echo 'é'"]
    start = shells._powershell(lines, tmp_path / "office", tmp_path / "office", tmp_path)
    assert start.command[0] == str(tmp_path / "powershell")
    assert start.command[-6:] == ["-Count", "2", "-Top", str(tmp_path / "office"), "-Python", sys.executable]
    script = Path(start.command[start.command.index("-File") + 1])
    assert script.read_bytes().startswith(b"\xef\xbb\xbfparam(")
    assert [(tmp_path / f"{n}.line").read_text(encoding="utf-8") for n in (1, 2)] == lines
    assert "HOME" not in set(start.environment) - set(os.environ)


# --- what a test is told --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", "\n\n", "# Write your commands here", Commands("answer", "")])
def test_nothing_written_yet_is_no_try(text: str | Commands) -> None:
    with pytest.raises(NoCommands, match="write them in the %%terminal cell above") as caught:
        run_commands(text, on=practice_folder({}))
    failure = explain(caught.value, "answer-visible", lambda file: "In[1]" if file == __file__ else None)
    assert (failure.kind, failure.untried) == ("unsolved", True)
    assert failure.headline == "Not solved yet: answer"


def test_something_else_under_the_names_is_refused() -> None:
    with pytest.raises(TerminalError, match="name of your commands"):
        run_commands(5, on=practice_folder({}))  # type: ignore[arg-type]
    with pytest.raises(TerminalError, match="name of a practice folder"):
        run_commands("pwd", on="office")  # type: ignore[arg-type]


# --- the magic, in a real kernel ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def room(kernel):
    """A kernel with a practice folder."""

    def run(source: str, cell: str | None = None):
        return kernel.run(source, cell)

    made = "from course.lab import practice_folder, run_commands\noffice = practice_folder("
    assert run(f"{made}{OFFICE!r}, name='office')").outputs[1:-1] == []
    yield run
    run("office.remove()")  # the kernel is killed, and cannot tidy up


@posix
def test_a_cell_looks_like_a_terminal(room) -> None:
    shown = room("%%terminal office --name look\ncd orders\nls\ncat <b>.txt\ncd ../..\npwd")
    assert shown.of("error") == []
    assert shown.stream("stderr") == shown.stream("stdout") == ""
    lines = shown.text.splitlines()
    assert lines[:4] == ["office $ cd orders", "office/orders $ ls", "2026", "office/orders $ cat <b>.txt"]
    assert lines[4].startswith("[error] bash: b: No such file")
    assert lines[5] == "office/orders $ cd ../.."
    assert lines[6].endswith(" $ pwd")
    assert lines[6].startswith(lines[7])
    assert "fresh copy of office" in lines[-1]
    assert '<span class="typed">cat &lt;b&gt;.txt</span>' in shown.html
    assert '<span class="word">error</span> bash: b: No such' in shown.html


@posix
def test_a_terminal_goes_on_in_the_next_cell_and_a_named_cell_does_not_touch_it(room) -> None:
    room("%%terminal office\ncd orders\nmkdir reports")
    assert room("%%terminal office\nls").text == "office/orders $ ls\n2026\nreports\noffice/orders $"
    for _ in range(2):
        named = room("%%terminal office --name answer\nls\nmkdir reports")
        assert named.text.startswith("office $ ls\narchive\n")
        assert "[error]" not in named.text
    assert room("%%terminal office\npwd").text.startswith("office/orders $ pwd")
    assert room("print(repr(answer.text))").stream("stdout") == "'ls\\nmkdir reports'\n"
    assert room("office").of("execute_result")[0]["data"]["text/plain"].count("reports/") == 1
    room("%%terminal office\ncd ~\nrmdir orders/reports")


def test_an_empty_cell_runs_nothing_and_is_not_tried(room) -> None:
    shown = room("%%terminal office --name nothing\n# Write your commands here")
    assert shown.text.startswith("(Nothing to run yet")
    failed = room("run_commands(nothing, on=office)", "nothing-visible")
    assert failed.failure["kind"] == "unsolved"
    assert failed.failure["headline"] == "Not solved yet: nothing"


def test_a_failed_test_is_about_the_outcome_only(room) -> None:
    room("%%terminal office --name up\ncd ..")
    test = "done = run_commands(up, on=office)\nassert done.folder == 'orders', 'Go down into orders.'"
    failure = room(test, "up-visible").failure
    assert (failure["got"], failure["expected"]) == ("'..'", "'orders'")
    assert failure["names"] == {}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("%%terminal", "leave it as it was"),
        ("%%terminal office -n x", "leave it as it was"),
        ("%%terminal shop", "There is no practice folder shop yet. There is: office."),
        ("%%terminal practice_folder", "practice_folder is not a practice folder. There is: office."),
    ],
)
def test_a_line_that_names_no_folder_says_what_to_do(room, line: str, words: str) -> None:
    shown = room(f"{line}\nls")
    assert words in shown.text
    assert shown.failure["kind"] == "terminal"
