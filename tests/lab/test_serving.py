"""Real servers, called with real requests."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest
import requests
from fastapi import APIRouter, FastAPI
from flask import Flask, url_for

from course.errors import CourseError
from course.lab.serving import ServeError, Server, asgi, serve, server
from course.lab.serving.browser import browser_url


def fastapi_app(answer: str = "hello") -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def read() -> str:
        return answer

    @app.get("/plain")
    def read_in_a_thread() -> str:
        print("printed in a worker thread")
        return answer

    @app.get("/noise")
    async def noise() -> None:
        print("printed on stdout")
        print("printed on stderr", file=sys.stderr)
        logging.getLogger("shop").warning("logged by nobody's handler")

    @app.get("/broken")
    async def broken() -> int:
        return 1 // 0

    return app


def flask_app(answer: str = "hello") -> Flask:
    app = Flask("shop")

    @app.get("/")
    def read() -> dict[str, str]:
        return {"answer": answer, "self": url_for("read")}

    @app.get("/noise")
    def noise() -> str:
        print("printed on stdout")
        print("printed on stderr", file=sys.stderr)
        logging.getLogger("shop.orders").warning("logged by nobody's handler")
        return ""

    @app.get("/broken")
    def broken() -> str:
        return str(1 // 0)

    return app


APPS = pytest.mark.parametrize("make", [fastapi_app, flask_app])
Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def _stop_servers() -> Iterator[None]:
    yield
    for running in list(server._running.values()):
        running.stop()


def use_kernel_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the root logger as a fresh kernel has it: without the handlers that pytest adds."""
    monkeypatch.setattr(logging.root, "handlers", [])


def get(running: Server, path: str = "/") -> requests.Response:
    return requests.get(running.url + path, timeout=10)


def wait_until(condition: Callable[[], bool]) -> None:
    """Threads that have done their work take a moment to be gone."""
    deadline = time.monotonic() + 5
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    assert condition()


# Answering


@APPS
def test_an_app_answers_as_soon_as_serve_returns(make: Make) -> None:
    running = serve(make())
    assert running.url == f"http://127.0.0.1:{running.port}"
    assert "hello" in get(running).text


def test_raw_asgi_and_wsgi_functions_are_apps() -> None:
    async def asgi_app(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
        assert scope["type"] == "http"  # knows no lifespan, which the protocol allows
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"raw asgi"})

    def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"raw wsgi"]

    with serve(asgi_app, "a") as one, serve(wsgi_app, "b") as two:
        assert get(one).text == "raw asgi"
        assert get(two).text == "raw wsgi"


def test_the_lifespan_runs_before_the_first_answer_and_at_the_stop() -> None:
    happened = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        await asyncio.sleep(0.05)
        happened.append("up")
        yield
        happened.append("down")

    running = serve(FastAPI(lifespan=lifespan))
    assert happened == ["up"]
    running.stop()
    assert happened == ["up", "down"]


@APPS
def test_a_context_manager_stops_the_server(make: Make) -> None:
    with serve(make()) as running:
        assert get(running).ok
    with pytest.raises(requests.ConnectionError):
        get(running)
    running.stop()  # a second time is fine
    assert "stopped" in repr(running)
    assert "stopped" in running._repr_html_()


# Replacing


@APPS
def test_serving_again_replaces_the_app_even_on_open_connections(make: Make) -> None:
    with requests.Session() as session:
        old = serve(make("old"))
        assert "old" in session.get(old.url).text
        new = serve(make("new"))
        assert new.url == old.url  # pages that the student has open stay right
        assert "new" in session.get(new.url).text


@APPS
def test_two_names_are_two_servers(make: Make) -> None:
    one, two = serve(make("one"), "one"), serve(make("two"), "two")
    assert "one" in get(one).text
    assert "two" in get(two).text


@APPS
def test_replacing_is_quick_with_a_keep_alive_connection_open(make: Make) -> None:
    took = []
    with requests.Session() as session:
        running = serve(make())
        for _ in range(15):
            session.get(running.url)
            begun = time.perf_counter()
            running = serve(make())
            took.append(time.perf_counter() - begun)
    assert statistics.median(took) < 0.05


@APPS
def test_an_idle_connection_is_closed_and_delays_nothing(make: Make) -> None:
    running = serve(make())
    with socket.create_connection(
        ("127.0.0.1", running.port), timeout=10
    ) as idle:  # as browsers open in advance
        get(running)
        begun = time.perf_counter()
        running.stop()
        assert time.perf_counter() - begun < 0.3
        assert idle.recv(1) == b""


@APPS
def test_fifty_restarts_leak_nothing(make: Make) -> None:
    def cycle() -> None:
        with serve(make()) as running, requests.Session() as session:
            session.get(running.url)

    process = psutil.Process()

    def held() -> tuple[int, int, int]:
        return threading.active_count(), process.num_fds(), len(process.net_connections())

    cycle()
    before = held()
    for _ in range(50):
        cycle()
    wait_until(lambda: all(now <= then for now, then in zip(held(), before, strict=True)))


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_running_request_may_end_before_the_server_stops(kind: str) -> None:
    entered = threading.Event()
    app: Any = FastAPI() if kind == "asgi" else Flask("slow")

    @app.get("/")
    def slow() -> str:
        entered.set()
        time.sleep(0.1)
        return "done"

    running = serve(app)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(get, running)
        assert entered.wait(10)
        running.stop()
        assert "done" in answer.result().text


def test_an_endless_stream_does_not_keep_the_server_from_stopping() -> None:
    from fastapi.responses import StreamingResponse

    app = FastAPI()

    async def ticks() -> Any:
        while True:
            yield "tick\n"
            await asyncio.sleep(0.01)

    @app.get("/")
    async def read() -> StreamingResponse:
        return StreamingResponse(ticks())

    running = serve(app)
    with requests.get(running.url, stream=True, timeout=10) as answer:
        assert next(answer.iter_lines()) == b"tick"
        begun = time.perf_counter()
        running.stop()
        assert time.perf_counter() - begun < 2


def test_an_app_that_blocks_its_event_loop_is_left_and_its_port_freed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asgi, "_JOIN_SECONDS", 0.1)
    entered, released = threading.Event(), threading.Event()
    app = FastAPI()

    @app.get("/")
    async def block() -> None:
        entered.set()
        released.wait(30)

    running = serve(app)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(get, running)
        assert entered.wait(10)
        again = serve(fastapi_app("new"), port=running.port)
        assert get(again).json() == "new"
        released.set()
        answer.exception()


# Start-up errors


def test_a_failing_start_up_is_raised_in_the_cell_with_the_apps_own_error(capfd: Any) -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        raise RuntimeError("no database here")
        yield

    threads = threading.active_count()
    with pytest.raises(
        ServeError, match=r"start-up failed: RuntimeError: no database here.*lifespan"
    ) as caught:
        serve(FastAPI(lifespan=lifespan))
    assert isinstance(caught.value, CourseError)
    cause = caught.value.__cause__
    assert isinstance(cause, RuntimeError)
    assert cause.__traceback__ is not None
    assert cause.__traceback__.tb_frame.f_code.co_filename == __file__  # not the libraries' frames
    wait_until(lambda: threading.active_count() <= threads)
    assert server._running == {}
    assert capfd.readouterr() == ("", "")


def test_middleware_that_cannot_be_made_is_a_start_up_error() -> None:
    app = FastAPI()
    app.add_middleware(SimpleNamespace, nonsense=1)  # type: ignore[arg-type]
    with pytest.raises(ServeError, match="start-up failed: TypeError"):
        serve(app)


def test_a_failing_shutdown_is_raised_and_the_server_stopped() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        yield
        raise ValueError("pool is closed")

    running = serve(FastAPI(lifespan=lifespan))
    with pytest.raises(ServeError, match="shutdown failed: ValueError: pool is closed"):
        running.stop()
    with pytest.raises(requests.ConnectionError):
        get(running)
    serve(FastAPI(lifespan=lifespan))
    serve(fastapi_app())  # replacing it does not blame the new app


def test_a_start_up_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_START_SECONDS", 0.2)
    cleaned = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        try:
            await asyncio.sleep(3600)
        finally:
            cleaned.append(True)
        yield

    threads = threading.active_count()
    with pytest.raises(ServeError, match="has not ended after"):
        serve(FastAPI(lifespan=lifespan))
    assert cleaned == [True]
    wait_until(lambda: threading.active_count() <= threads)


async def read_items() -> list[str]:
    return []


def create_app() -> FastAPI:
    return FastAPI()


@pytest.mark.parametrize(
    ("thing", "says"),
    [
        (None, "None is not an app"),
        (FastAPI, r"FastAPI is a class.*app = FastAPI\(\.\.\.\)"),
        (Flask, "Flask is a class"),
        (read_items, "The function read_items is not an app"),
        (create_app, r"serve\(create_app\(\)\)"),
        (APIRouter(), "include_router"),
        ("main:app", "not its name"),
        (42, "int 42 is not an app"),
    ],
)
def test_what_is_no_app_is_named(thing: object, says: str) -> None:
    with pytest.raises(ServeError, match=says):
        serve(thing)


def test_a_busy_port_is_named_with_the_way_out() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        with pytest.raises(ServeError, match=rf"Port {port} .*another program.*leave the port out"):
            serve(fastapi_app(), port=port)
    running = serve(flask_app(), "shop", port=port)
    with pytest.raises(ServeError, match=rf"Port {port} .*your server 'shop'"):
        serve(fastapi_app(), "api", port=port)
    assert serve(fastapi_app(), "shop", port=port).port == running.port  # its own name may have it


@pytest.mark.parametrize("port", [70_000, -1, "8000"])
def test_a_port_that_cannot_be_is_refused(port: Any) -> None:
    with pytest.raises(ServeError, match=f"Port {port}"):
        serve(fastapi_app(), port=port)


# Logs


@APPS
def test_what_an_endpoint_prints_and_logs_is_in_the_logs_only(
    make: Make, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_kernel_logging(monkeypatch)
    with serve(make()) as running:
        get(running, "/noise")
        logs = running.logs()
    for said in (
        "printed on stdout",
        "printed on stderr",
        "logged by nobody's handler",
        "GET /noise HTTP/1.1",
    ):
        assert said in logs
    assert capfd.readouterr() == ("", "")


def test_a_worker_threads_print_goes_to_its_own_server(capfd: Any) -> None:
    one, two = serve(fastapi_app(), "one"), serve(fastapi_app(), "two")
    get(two, "/plain")
    assert "printed in a worker thread" in two.logs()
    assert "printed in a worker thread" not in one.logs()
    print("printed by the cell")
    assert capfd.readouterr() == ("printed by the cell\n", "")


@APPS
def test_an_endpoint_that_raises_leaves_its_traceback_in_the_logs_before_it_answers(
    make: Make, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_kernel_logging(monkeypatch)
    with serve(make()) as running:
        for _ in range(20):
            assert get(running, "/broken").status_code == 500
            logs = running.logs(6)
            assert "ZeroDivisionError" in logs
            assert "1 // 0" in logs
            assert running.logs(1) == logs.splitlines()[-1]
    assert capfd.readouterr() == ("", "")


def test_an_error_after_the_answer_is_in_the_logs_all_the_same() -> None:
    async def answers_first(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 500, "headers": []})
        await send({"type": "http.response.body", "body": b"sorry"})
        await asyncio.sleep(0.05)
        raise KeyError("late")

    with serve(answers_first) as running:
        assert get(running).text == "sorry"
        assert "KeyError: 'late'" in running.logs()


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_raw_app_that_raises_is_answered_500(kind: str, capfd: Any) -> None:
    async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
        raise KeyError("raw")

    def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
        raise KeyError("raw")

    with serve(asgi_app if kind == "asgi" else wsgi_app) as running:
        assert get(running).status_code == 500
    assert "KeyError: 'raw'" in running.logs(100)
    assert capfd.readouterr() == ("", "")


def test_logs_read_as_text_in_a_notebook() -> None:
    with serve(fastapi_app()) as running:
        get(running)
        assert repr(running.logs(2)) == str(running.logs(2))
        assert running.logs(0) == ""


# Behind a proxy, and the documentation


def docs(running: Server, path: str = "/docs", **headers: str) -> requests.Response:
    return requests.get(running.url + path, headers=headers, timeout=10)


@pytest.mark.parametrize("header", ["X-Forwarded-Prefix", "X-Forwarded-Context"])
def test_the_proxys_prefix_reaches_the_app_with_each_request(header: str) -> None:
    app, prefix = fastapi_app(), "/user/x/proxy/8000"
    with serve(app) as running:
        through = docs(running, "/openapi.json", **{header: prefix}).json()
        assert through["servers"] == [{"url": prefix}]
        assert "servers" not in docs(running, "/openapi.json").json()
        assert f"{prefix}/openapi.json" in docs(running, **{header: prefix}).text
        assert docs(running, "/", **{header: prefix}).json() == "hello"
        assert app.root_path == ""


def test_flask_makes_its_links_behind_the_proxy() -> None:
    with serve(flask_app()) as running:
        assert get(running).json()["self"] == "/"
        assert (
            docs(running, "/", **{"X-Forwarded-Prefix": "/user/x/proxy/1"}).json()["self"]
            == "/user/x/proxy/1/"
        )


@pytest.mark.parametrize("path", ["/docs", "/api/v1/docs"])
def test_the_docs_page_needs_no_other_machine(path: str) -> None:
    from urllib.parse import urljoin

    app = FastAPI(docs_url=path)
    with serve(app) as running:
        page = docs(running, path)
        assert "https://" not in page.text
        assert int(page.headers["content-length"]) == len(page.content)
        for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
            start = page.text.index(name)
            address = page.text[page.text.rindex('"', 0, start) + 1 : start + len(name)]
            found = requests.get(urljoin(running.url + path, address), timeout=10)
            assert found.status_code == 200
            assert len(found.content) > 500
        assert "swagger" not in requests.get(running.url + "/openapi.json", timeout=10).text
        assert docs(running, "/_swagger-ui/../secret").status_code == 404


def test_other_pages_are_passed_on_as_they_are() -> None:
    from fastapi.responses import HTMLResponse, StreamingResponse

    app = FastAPI(docs_url=None)
    page = '<link href="https://example.com/favicon.png">'

    @app.get("/page", response_class=HTMLResponse)
    async def read() -> str:
        return page

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter(["<p>", "one", "</p>"]), media_type="text/html")

    with serve(app) as running:
        assert get(running, "/page").text == page
        assert get(running, "/stream").text == "<p>one</p>"


def test_the_notebook_shows_links_to_the_app_and_to_swagger_ui(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/x/")
    with serve(fastapi_app(), "<shop>") as running:
        html = running._repr_html_()
    assert f'href="/user/x/proxy/{running.port}/docs"' in html
    assert "&lt;shop&gt;" in html
    assert running.url in html
    with serve(flask_app()) as running:
        assert "Swagger" not in running._repr_html_()
        assert repr(running) == f"<Server 'app' at {running.url}>"


def test_docs_shows_the_page_and_refuses_where_there_is_none(capsys: Any) -> None:
    with serve(fastapi_app()) as running:
        running.docs()
        assert f"{running.url}/docs" in capsys.readouterr().out
        with pytest.raises(ServeError, match=r"no page to show at .*/doc "):
            running.docs("/doc")
    with pytest.raises(ServeError, match="no page to show"):
        running.docs()


def test_the_browsers_address_comes_from_the_jupyter_server(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    monkeypatch.delenv("JPY_PARENT_PID", raising=False)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    assert browser_url(8000) == "http://127.0.0.1:8000"
    monkeypatch.setenv("JPY_PARENT_PID", "77")
    assert browser_url(8000) == "http://127.0.0.1:8000"  # nbclient started the kernel
    (tmp_path / "jpserver-77.json").write_text('{"base_url": "/lab/"}')
    assert browser_url(8000) == "/lab/proxy/8000"
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/x/")
    assert browser_url(8000) == "/user/x/proxy/8000"


# Processes


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )


def test_importing_serve_loads_no_server() -> None:
    heavy = "{'uvicorn', 'starlette', 'fastapi', 'flask', 'werkzeug', 'IPython'}"
    done = run_script(f"import sys; from course.lab.serving import serve; print({heavy} & set(sys.modules))")
    assert done.stdout == "set()\n"


SHOP = """
from contextlib import asynccontextmanager
import os, requests, threading
from fastapi import FastAPI
from flask import Flask
from course.lab.serving import serve

@asynccontextmanager
async def lifespan(app):
    yield
    os.write(1, b"shut down\\n")

def make(answer):
    app = FastAPI(lifespan=lifespan)
    app.get("/")(lambda: answer)
    return app

def wsgi(answer):
    app = Flask("shop")
    app.get("/")(lambda: f'"{answer}"')
    return app

def get(server):
    return requests.get(server.url, timeout=10).json()
"""


def test_servers_stop_with_the_process() -> None:
    done = run_script(SHOP + "server = serve(make('hello')); get(server)")
    assert (done.stdout, done.stderr, done.returncode) == ("shut down\n", "", 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("make", ["make", "wsgi"])
def test_a_forked_child_leaves_the_parents_server_alone_and_serves_afresh(make: str) -> None:
    done = run_script(
        SHOP
        + f"""
server = serve({make}("parent"))
assert get(server) == "parent"
child = os.fork()
if child == 0:
    try:
        server.stop()                      # not the child's to stop
        assert get(server) == "parent"
        own = serve({make}("child"))
        assert own.port != server.port
        assert get(own) == "child"
        own.stop()
        for thread in threading.enumerate()[1:]:
            thread.join(10)                # a worker of the loop ends by itself, a moment later
        assert threading.active_count() == 1, threading.enumerate()
    except BaseException as error:
        os.write(2, repr(error).encode())
        os._exit(1)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert get(server) == "parent"
holder = os.fork()                         # a child that lives on must not hold the port
if holder == 0:
    threading.Event().wait(60)
server.stop()
serve({make}("again"), "other", port=server.port)
os.kill(holder, 9)
os._exit(0)
"""
    )
    assert done.stderr == ""
    assert done.returncode == 0
