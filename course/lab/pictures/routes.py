"""Find which function of an app handles a request, by asking the app's own table of routes."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Handler:
    """A route as the app declares it, and its function's name; without one, nothing fits the request."""

    route: str = ""
    function: str = ""


def handler_of(app: Any, method: str, path: str) -> Handler | None:  # noqa: ANN401 - any framework's app
    """Who answers a request for a path; None where the app's framework is not known here."""
    starlette, flask = sys.modules.get("starlette.applications"), sys.modules.get("flask")
    if starlette and isinstance(app, starlette.Starlette):
        return _of_starlette(app, method, path)
    if flask and isinstance(app, flask.Flask):
        return _of_flask(app, method, path)
    return None


def _of_starlette(app: Any, method: str, path: str) -> Handler:  # noqa: ANN401
    for route in _routes(app):
        pattern, methods = getattr(route, "path_regex", None), getattr(route, "methods", None)
        if pattern and pattern.match(path) and (not methods or method in methods):
            function = getattr(route, "endpoint", None)
            return Handler(f"{method} {route.path}", getattr(function, "__name__", ""))
    return Handler()


def _routes(app: Any) -> Iterable[Any]:  # noqa: ANN401
    """The app's routes in their order, those of included routers among them."""
    from fastapi.routing import iter_route_contexts

    return iter_route_contexts(app.routes)


def _of_flask(app: Any, method: str, path: str) -> Handler:  # noqa: ANN401
    from werkzeug.exceptions import HTTPException

    try:
        rule, _ = app.url_map.bind("localhost").match(path, method=method, return_rule=True)
    except HTTPException:
        return Handler()
    return Handler(f"{method} {rule.rule}", app.view_functions[rule.endpoint].__name__)
