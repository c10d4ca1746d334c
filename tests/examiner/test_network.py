"""Clients and servers of a test on the loopback of a student's cage: two real cells with networks of their own."""

from __future__ import annotations

import inspect
import json
import socket
from collections.abc import Callable, Iterator
from textwrap import dedent
from typing import Any

import pytest

STUDENT = """
import http.client, http.server, threading

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"the student's"
        if self.path.startswith("/call/"):
            there = http.client.HTTPConnection("127.0.0.1", int(self.path[6:]), timeout=10)
            there.request("GET", "/")
            body = there.getresponse().read()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass

def main(here):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here.ready()
    here.door.send(str(server.server_port).encode())
    server.serve_forever()
"""

TEST = """
import json, socket
from types import SimpleNamespace
from course.examiner.network import Network

def main(here):
    here.ready()
    message, (porter,), _, _ = socket.recv_fds(here.door, 64, 1)
    port = int(message)
    url = f"http://127.0.0.1:{{port}}/"
    local = SimpleNamespace(network=Network(socket.socket(fileno=porter)))
    {before}
    local.network.join()
    {body}
    here.door.send(json.dumps(answer(port, url, local)).encode())
"""


@pytest.fixture(scope="module")
def student(zygote) -> Iterator[Any]:
    cell = zygote.spawn("student_server:main", {}, files={"student_server.py": STUDENT.encode()})
    yield cell, cell.door.recv(64)
    cell.kill()


@pytest.fixture
def answer_of(zygote, student) -> Iterator[Callable[..., Any]]:
    cells = []

    def answer_of(answer: Callable[..., Any], before: str = "") -> Any:
        """What a function returns that runs in a cell of its own, its network joined to the student's."""
        body = dedent(inspect.getsource(answer)).replace("\n", "\n    ")
        source = TEST.format(before=before, body=body).encode()
        cell = zygote.spawn("network_test:main", {}, files={"network_test.py": source})
        cells.append(cell)
        there, port = student
        socket.send_fds(cell.door, [port], [there.porter.fileno()])
        cell.door.settimeout(60)
        return json.loads(cell.door.recv(100_000))

    yield answer_of
    for cell in cells:
        cell.kill()


def test_requests_and_httpx_and_urllib_reach_the_student(answer_of):
    def answer(port, url, local):
        import urllib.request

        import httpx
        import requests

        with requests.Session() as session:
            kept = [session.get(url, timeout=5).text for _ in range(3)]
        return [
            *kept,
            httpx.get(url.replace("127.0.0.1", "localhost"), timeout=5).text,
            urllib.request.urlopen(url, timeout=5).read().decode(),
        ]

    assert answer_of(answer) == ["the student's"] * 5


def test_coroutines_reach_the_student(answer_of):
    def answer(port, url, local):
        import asyncio

        import httpx

        async def ask():
            async with httpx.AsyncClient() as client:
                found = await asyncio.gather(*(client.get(url) for _ in range(5)))
            reader, writer = await asyncio.open_connection("localhost", port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            raw = await reader.read()
            writer.close()
            return [each.text for each in found] + [raw.decode().rpartition("\r\n")[2]]

        return asyncio.run(ask())

    assert answer_of(answer) == ["the student's"] * 6


def test_many_threads_at_once(answer_of):
    def answer(port, url, local):
        from concurrent.futures import ThreadPoolExecutor

        import requests

        with ThreadPoolExecutor(8) as clients:
            return sorted(set(clients.map(lambda _: requests.get(url, timeout=20).text, range(40))))

    assert answer_of(answer) == ["the student's"]


def test_a_server_of_the_test_serves_both_sides(answer_of):
    def answer(port, url, local):
        import http.server
        import threading
        import urllib.request

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"the test's")

        Handler.log_message = lambda *_: None
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def read(address):
            return urllib.request.urlopen(address, timeout=5).read().decode()

        return [
            read(f"http://127.0.0.1:{server.server_port}/"),
            read(f"{url}call/{server.server_port}"),
        ]

    assert answer_of(answer) == ["the test's", "the test's"]


def test_a_program_that_listens_here_is_reached_here(answer_of):
    """As a database server that the test has started: it binds its socket without us."""

    def answer(port, url, local):
        import socket as sockets
        import threading

        def greet():
            with local.listener.accept()[0] as connection:
                connection.sendall(b"here")

        threading.Thread(target=greet, daemon=True).start()
        with sockets.create_connection(("127.0.0.1", local.listener.getsockname()[1]), 5) as client:
            return client.recv(10).decode()

    before = "local.listener = socket.create_server(('127.0.0.1', 0))"
    assert answer_of(answer, before) == "here"


def test_a_program_that_listens_here_can_be_lent_to_the_student(answer_of):
    def answer(port, url, local):
        import threading
        import urllib.request

        def greet():
            while True:
                with local.listener.accept()[0] as connection:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlent")

        threading.Thread(target=greet, daemon=True).start()
        own = local.listener.getsockname()[1]
        local.network.lend(own)
        return [
            urllib.request.urlopen(address, timeout=5).read().decode()
            for address in (f"{url}call/{own}", f"{url}call/{own}", f"http://127.0.0.1:{own}/")
        ]

    before = "local.listener = socket.create_server(('127.0.0.1', 0))"
    assert answer_of(answer, before) == ["lent"] * 3


def test_a_port_declared_the_students_is_theirs_even_if_taken_here(answer_of):
    def answer(port, url, local):
        import urllib.request

        return urllib.request.urlopen(url, timeout=5).read().decode()

    before = "taken = socket.create_server(('127.0.0.1', port)); local.network.add(port)"
    assert answer_of(answer, before) == "the student's"


def test_nobody_listens_nobody_answers(answer_of):
    def answer(port, url, local):
        import errno
        import socket as sockets

        found = []
        for host, number in (("127.0.0.1", 1), ("localhost", 1), ("192.0.2.1", 80)):
            try:
                sockets.create_connection((host, number), 5)
            except OSError as error:
                found.append(errno.errorcode[error.errno])
        return found

    assert answer_of(answer) == ["ECONNREFUSED", "ECONNREFUSED", "ENETUNREACH"]


def test_a_socket_keeps_its_manners(answer_of):
    def answer(port, url, local):
        import os
        import socket as sockets

        with sockets.socket() as client:
            number = client.fileno()
            client.settimeout(7)
            client.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
            client.connect(("127.0.0.1", port))
            return [
                client.fileno() == number,
                client.gettimeout(),
                os.get_blocking(number),
                os.get_inheritable(number),
                client.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY),
            ]

    assert answer_of(answer) == [True, 7.0, False, False, 1]


def test_without_the_students_cage_the_test_finds_nobody(zygote, answer_of):
    def answer(port, url, local):
        import socket as sockets

        local.network._porter.close()
        try:
            sockets.create_connection(("127.0.0.1", port), 5)
        except ConnectionRefusedError:
            return "refused"

    assert answer_of(answer) == "refused"
