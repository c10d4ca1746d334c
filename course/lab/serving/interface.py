"""Tell what kind of app a student hands over, and help where it is none."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Literal

from course.lab.serving.errors import ServeError

Interface = Literal["asgi", "wsgi"]


def interface_of(app: object) -> Interface:
    """How the app is called. Raises ServeError where it is no app."""
    if inspect.isclass(app):
        raise ServeError(
            f"{app.__name__} is a class, not an app. Make one first: app = {app.__name__}(...), then serve(app)."
        )
    if callable(app) and not _is_router(app):
        if _accepts(app, 3) and (_is_async(app) or not _accepts(app, 2)):
            return "asgi"
        if _accepts(app, 2) and not _is_async(app):
            return "wsgi"
    raise ServeError(f"{_describe(app)} is not an app. {_advice(app)}")


def _is_async(app: object) -> bool:
    return inspect.iscoroutinefunction(app) or inspect.iscoroutinefunction(type(app).__call__)


def _accepts(app: Callable[..., object], arguments: int) -> bool:
    try:
        inspect.signature(app).bind(*range(arguments))
    except (TypeError, ValueError):
        return False
    return True


def _is_router(app: object) -> bool:
    fastapi = sys.modules.get("fastapi")
    return fastapi is not None and isinstance(app, fastapi.APIRouter)


def _describe(app: object) -> str:
    if inspect.isroutine(app):
        return f"The function {app.__name__}"
    return "None" if app is None else f"{type(app).__name__} {app!r:.60}"


def _advice(app: object) -> str:
    if _is_router(app):
        return (
            "Put the router into an app first: app = FastAPI(); app.include_router(router), then serve(app)."
        )
    if inspect.isroutine(app) and _accepts(app, 0):
        return f"If it makes the app, call it: serve({app.__name__}()). If it answers requests, serve the app it belongs to."
    if isinstance(app, str):
        return "Give the app itself, not its name: serve(app)."
    return "serve takes a FastAPI or Flask app: app = FastAPI() or app = Flask(__name__), then serve(app)."
