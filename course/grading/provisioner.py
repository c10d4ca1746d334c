"""Start kernels inside the cage: a kernel provisioner, as jupyter_client calls what puts a kernel somewhere.

Named `course-cage` among the installed provisioners, so that any kernelspec can ask for it; grading asks for it itself.
"""

from __future__ import annotations

import asyncio
import secrets
import signal
from collections.abc import Mapping
from typing import Any, cast

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning.provisioner_base import KernelProvisionerBase
from traitlets import List, Unicode

from course.cage.cell import Cell
from course.grading import spares
from course.grading.clean import folder_files
from course.grading.examination import ENVIRONMENT
from course.grading.spares import Request

NAME = "course-cage"
_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


class CageProvisioner(KernelProvisionerBase):
    """Starts a kernel in a cell of its own, with copies of the files in its working folder and nothing else.

    Raises CageError from `launch_kernel` where there is no cage: a kernel never runs outside of one instead.
    """

    imports = List(Unicode(), help="Modules that are imported once, before kernels are forked.").tag(
        config=True
    )

    cell: Cell | None = None

    @property
    def has_process(self) -> bool:
        """Whether there is a kernel, dead or alive, that has not been waited for."""
        return self.cell is not None

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401 - as jupyter_client has it
        """Nothing of this process's environment goes in."""
        return {**kwargs, "cmd": [], "env": {}}

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:  # noqa: ANN401
        """Start the kernel; it answers from now on.

        Raises CageError.
        """
        files = folder_files(kwargs.get("cwd"))
        made = spares.take(Request(self.imports, "course.examiner.kernel:main", files, ipc=True), _options)
        self.cell, inside = made.cell, made.options["connection"]
        outside = {**inside, "ip": f"{self.cell.ipc}/kernel", "key": inside["key"].encode()}
        self.connection_info = cast("KernelConnectionInfo", outside)
        return self.connection_info

    async def poll(self) -> int | None:
        """None while the kernel runs."""
        return None if self.cell is not None and self.cell.alive() else 1

    async def wait(self) -> int | None:
        """Wait for the kernel's end, and let go of what it had."""
        if self.cell is not None:
            while not self.cell.wait(0):
                await asyncio.sleep(0.01)
            await self.kill()
        return 0

    async def send_signal(self, signum: int) -> None:
        """An interrupt goes to the kernel's own process; any other signal ends all of the cell."""
        if self.cell is not None and signum == signal.SIGINT:
            self.cell.interrupt()
        elif signum != 0:
            await self.kill()

    async def kill(self, restart: bool = False) -> None:
        """End every process of the cell."""
        if self.cell is not None:
            self.cell.kill()
            self.cell = None

    async def terminate(self, restart: bool = False) -> None:
        """As `kill`: what is inside has nothing to save."""
        await self.kill(restart)

    async def cleanup(self, restart: bool = False) -> None:
        """As `kill`."""
        await self.kill(restart)


def _options() -> dict[str, Any]:
    return {"connection": _connection("/ipc/kernel"), "environment": ENVIRONMENT}


def _connection(ip: str) -> dict[str, Any]:
    """Addresses and a key for a kernel's sockets, which are files whose names begin with `ip`."""
    ports: Mapping[str, int] = {name: number for number, name in enumerate(_PORTS, 1)}
    return {
        "transport": "ipc",
        "ip": ip,
        "key": secrets.token_hex(32),
        "signature_scheme": "hmac-sha256",
        "kernel_name": "",
        **ports,
    }
