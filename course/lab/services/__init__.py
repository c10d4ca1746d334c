"""Real servers for a notebook, started as children of its kernel and stopped with it."""

from course.lab.services.postgresql import Postgres, postgres

__all__ = ["Postgres", "postgres"]
