"""Serve a FastAPI or Flask app from a notebook cell: `serve(app)`."""

from course.lab.serving.errors import ServeError
from course.lab.serving.server import Server, serve

__all__ = ["ServeError", "Server", "serve"]
