"""Time a kernel in a cage: from asking the zygote for it until its first cell has been executed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from time import perf_counter

from jupyter_client.blocking.client import BlockingKernelClient

from course.cage.host import Zygote
from course.examiner.preload import PRELOAD

_PORTS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")
_ANSWER_SECONDS = 60


def kernel_starts(number: int) -> Iterator[float]:
    """The milliseconds that each of `number` kernels took, one after another; raises CageError without a cage."""
    with Zygote(PRELOAD) as zygote:
        _start_one(zygote)  # the first pays for what is only then read from disk
        for _ in range(number):
            yield _start_one(zygote)


def _start_one(zygote: Zygote) -> float:
    key = secrets.token_hex(32)
    connection = {
        "transport": "ipc",
        "ip": "/ipc/kernel",
        "key": key,
        "signature_scheme": "hmac-sha256",
        "kernel_name": "",
        **{name: number for number, name in enumerate(_PORTS, 1)},
    }
    begin = perf_counter()
    cell = zygote.spawn("course.examiner.kernel:main", {"connection": connection}, ipc=True)
    client = BlockingKernelClient()
    try:
        client.load_connection_info(connection | {"ip": f"{cell.ipc}/kernel", "key": key.encode()})
        client.start_channels(stdin=False, hb=False)
        request = client.execute("6 * 7")
        while client.get_shell_msg(timeout=_ANSWER_SECONDS)["parent_header"].get("msg_id") != request:
            pass
        return (perf_counter() - begin) * 1000
    finally:
        client.stop_channels()
        cell.kill()
