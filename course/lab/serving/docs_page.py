"""Swagger UI without the internet: its files come from a package, and docs pages ask the app's own server for them."""

from __future__ import annotations

import re
from importlib.util import find_spec
from mimetypes import guess_type
from pathlib import Path

ASSETS_PATH = "/_swagger-ui/"

_ASSETS = {  # the last part of the address on a docs page -> the package's file
    "swagger-ui-bundle.js": "swagger-ui-bundle.js",
    "swagger-ui.css": "swagger-ui.css",
    "favicon.png": "favicon-32x32.png",
}
_OUTSIDE = re.compile(
    rb"https://[^\"'\s]+/(" + b"|".join(re.escape(name.encode()) for name in _ASSETS) + rb")\b"
)


def uses_outside_assets(html: bytes) -> bool:
    """Whether a page loads Swagger UI from another machine."""
    return b"swagger-ui" in html and _OUTSIDE.search(html) is not None


def with_own_assets(html: bytes, path: str) -> bytes:
    """The page with its assets asked of the server that the page came from.

    The addresses are relative to `path`, the page's path in the app, so that they hold behind any proxy.
    """
    up = "../" * (path.count("/") - 1) or "./"
    return _OUTSIDE.sub(lambda found: (up + ASSETS_PATH[1:]).encode() + found[1], html)


def asset(path: str) -> tuple[bytes, str] | None:
    """The content and media type of one of Swagger UI's files, for a path below ASSETS_PATH; None for any other."""
    name = _ASSETS.get(path.removeprefix(ASSETS_PATH))
    if name is None or not path.startswith(ASSETS_PATH):
        return None
    return (_folder() / name).read_bytes(), guess_type(name)[0] or "application/octet-stream"


def _folder() -> Path:
    # The package is found, not imported: only its files are of use here.
    package = find_spec("flask_swagger_ui")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("Swagger UI's files are missing: install the package flask-swagger-ui")
    return Path(package.submodule_search_locations[0]) / "dist"
