"""The browser of `tests/browser`, for a JupyterLab in a container."""

from tests.browser.conftest import chromium, page, trouble

__all__ = ["chromium", "page", "trouble"]
