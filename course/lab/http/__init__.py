"""HTTP requests written by hand: sent over a real socket, shown byte by byte, and sent again by tests."""

from course.lab.http.asking import Answer, ask
from course.lab.http.errors import EmptyRequest, HttpError
from course.lab.http.request import Request

__all__ = ["Answer", "EmptyRequest", "HttpError", "Request", "ask"]
