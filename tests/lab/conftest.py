"""A real kernel that runs cells as JupyterLab does: with the cell's id in the request."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jupyter_client import BlockingKernelClient, KernelManager


@dataclass
class Ran:
    """What one cell put out, in order, each as (type, content)."""

    outputs: list[tuple[str, dict[str, Any]]]

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [content for each, content in self.outputs if each == kind]

    def data(self, mime: str) -> list[Any]:
        return [content["data"][mime] for content in self.of("display_data") if mime in content["data"]]

    @property
    def failure(self) -> dict[str, Any]:
        (failure,) = self.data("application/vnd.course.failure+json")
        return failure

    @property
    def html(self) -> str:
        return "".join(self.data("text/html"))

    @property
    def text(self) -> str:
        return "".join(self.data("text/plain"))

    @property
    def error(self) -> dict[str, Any]:
        (error,) = self.of("error")
        return error

    def stream(self, name: str) -> str:
        return "".join(content["text"] for content in self.of("stream") if content["name"] == name)


class Kernel:
    """One running kernel."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, source: str, cell: str | None = None) -> Ran:
        request = self._client.session.msg(
            "execute_request",
            {
                "code": source,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": False,
                "stop_on_error": False,
            },
            metadata={"cellId": cell} if cell else {},
        )
        self._client.shell_channel.send(request)
        outputs = []
        while True:
            message = self._client.get_iopub_msg(timeout=60)
            if message["parent_header"].get("msg_id") != request["header"]["msg_id"]:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return Ran(outputs)
            outputs.append((message["msg_type"], message["content"]))


@pytest.fixture(scope="module")
def start_kernel() -> Iterator[Callable[..., Kernel]]:
    """A function that starts a kernel with `%load_ext course` done, in a folder, with more environment variables."""
    started: list[tuple[KernelManager, BlockingKernelClient]] = []

    def start(cwd: Path | None = None, **env: str) -> Kernel:
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(cwd=str(cwd) if cwd else None, env={**os.environ, **env})
        client = manager.client()
        client.start_channels()
        started.append((manager, client))
        client.wait_for_ready(timeout=60)
        kernel = Kernel(client)
        assert kernel.run("%load_ext course").of("error") == []
        return kernel

    yield start
    for manager, client in started:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture(scope="module")
def kernel(start_kernel: Callable[..., Kernel], tmp_path_factory: pytest.TempPathFactory) -> Kernel:
    """A kernel for a module's tests, in a folder that is no working copy."""
    return start_kernel(tmp_path_factory.mktemp("kernel"))
