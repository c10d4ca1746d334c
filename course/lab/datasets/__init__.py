"""The data that labs query: a small shop, and all flights that left New York City in 2013."""

from course.lab.datasets.nycflights import flights
from course.lab.datasets.shops import shop

__all__ = ["flights", "shop"]
