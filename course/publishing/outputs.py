"""The files that builds have written, remembered by content, so that no build overwrites anything else."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

from course.files import write_atomically

_RECORD = Path(".cache") / "build.json"
_EDITED = ".edited"


class Outputs:
    """The built files of a course folder: writes and removes them, and sets aside what somebody has edited.

    Call `save` at the end. A record that is missing or damaged costs a full build, nothing else.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._inputs, self._files = self._recorded()
        self._changed: set[str] = set()
        self.removed: list[Path] = []
        self.kept: list[Path] = []

    def are_fresh(self, name: str, inputs: str, *paths: Path) -> bool:
        """Whether `paths` are as they were when `name` was last made, from the same `inputs`."""
        return self._inputs.get(name) == inputs and all(self.is_own(path) for path in paths)

    def is_own(self, path: Path) -> bool:
        """Whether the file is there, and as a build wrote it."""
        return path.is_file() and self._files.get(self._key(path)) == _digest(path, path.read_bytes())

    def note(self, name: str, inputs: str) -> None:
        """Remember what `name` was made from."""
        self._inputs[name] = inputs
        self._changed.add(name)

    def put(self, path: Path, content: bytes) -> None:
        """Write a built file; one that no build has written, and git does not have, is kept under another name."""
        new = _digest(path, content)
        old = path.read_bytes() if path.is_file() else None
        if old is not None and _digest(path, old) != new and not self._may_go(path):
            self._set_aside(path)
        if old != content:
            write_atomically(path, content)
        self._files[self._key(path)] = new
        self._changed.add(self._key(path))

    def remove(self, path: Path) -> None:
        """Remove a file that has no source any more, or set it aside where somebody has edited it."""
        if self._may_go(path):
            path.unlink()
            self.removed.append(path)
        else:
            self._set_aside(path)
        self._files.pop(self._key(path), None)
        self._changed.add(self._key(path))
        if not any(path.parent.iterdir()):
            path.parent.rmdir()

    def save(self) -> None:
        """Keep the record for the next build; what another build has recorded meanwhile stays in it."""
        inputs, files = self._recorded()
        for own, kept in ((self._inputs, inputs), (self._files, files)):
            for name in self._changed:
                if name in own:
                    kept[name] = own[name]
                else:
                    kept.pop(name, None)
        record = {"inputs": inputs, "files": files}
        content = json.dumps(record, indent=1, sort_keys=True).encode()
        path = self._root / _RECORD
        if not path.is_file() or path.read_bytes() != content:
            write_atomically(path, content)

    def _recorded(self) -> tuple[dict[str, str], dict[str, str]]:
        try:
            record = json.loads((self._root / _RECORD).read_bytes())
            return dict(record["inputs"]), dict(record["files"])
        except (OSError, ValueError, KeyError, TypeError):
            return {}, {}

    def _may_go(self, path: Path) -> bool:
        """Whether nothing is lost with a file: a build wrote it, or git has it as it is, as in a fresh clone."""
        return self.is_own(path) or _is_committed(path)

    def _set_aside(self, path: Path) -> None:
        names = [f"{path.name}{_EDITED}"] + [f"{path.name}{_EDITED}-{n}" for n in range(2, 1000)]
        kept = next(path.with_name(name) for name in names if not path.with_name(name).exists())
        path.rename(kept)
        self.kept.append(kept)

    def _key(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()


def _is_committed(path: Path) -> bool:
    git = shutil.which("git")
    questions = ["ls-files", "--error-unmatch"], ["diff", "--quiet", "HEAD"]
    return git is not None and all(
        subprocess.run(
            [git, *question, "--", path.name], cwd=path.parent, capture_output=True, check=False
        ).returncode
        == 0
        for question in questions
    )


def _digest(path: Path, content: bytes) -> str:
    """A digest of a file; of a source notebook only what was written in it, so that running it is no edit."""
    if path.suffix == ".ipynb" and "source" in path.parts[-3:-2]:
        try:
            cells = json.loads(content)["cells"]
            written = [
                [cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("nbgrader")]
                for cell in cells
            ]
            content = json.dumps(written, sort_keys=True).encode()
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # not a notebook: any difference counts
    return hashlib.sha256(content).hexdigest()
