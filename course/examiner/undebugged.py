"""Import ipykernel without debugpy: nobody debugs a notebook that is graded, and it is a quarter of all modules.

To be imported before `ipykernel.debugger` is; `import debugpy` by the notebook itself still works.
"""

from __future__ import annotations

import sys

if "debugpy" not in sys.modules:
    sys.modules["debugpy"] = None  # type: ignore[assignment]  # as if it were not installed
    try:
        import ipykernel.debugger  # noqa: F401 - for what it finds
    finally:
        del sys.modules["debugpy"]
