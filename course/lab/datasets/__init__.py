"""The data of the labs: a small shop, all flights that left New York City in 2013, and a small shop's web site."""

from course.lab.datasets.nycflights import flights
from course.lab.datasets.shops import shop
from course.lab.datasets.sites import shop_site

__all__ = ["flights", "shop", "shop_site"]
