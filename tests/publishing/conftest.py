"""A small course folder: one lab with an SQL and a Python exercise, and a data file."""

import shutil
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
LAB = "04-databases/14b-orders"

TEXT = '''\
# Orders

You will count orders.

```python
%load_ext course
```

## Count

### Exercise 1: orders by customer

```sql magic_args="shop --name by_customer" nbgrader={"schema_version": 3, "solution": true, "grade": false, "locked": false, "task": false, "grade_id": "by-customer"}
-- BEGIN SOLUTION
SELECT customer_id, count(*) AS placed
FROM orders GROUP BY customer_id
-- END SOLUTION
```

```python nbgrader={"schema_version": 3, "solution": false, "grade": true, "locked": true, "task": false, "points": 1, "grade_id": "by-customer-visible"}
assert "GROUP BY" in by_customer.text, "Group the orders by customer"
```

```python nbgrader={"schema_version": 3, "solution": false, "grade": true, "locked": true, "task": false, "points": 2, "grade_id": "by-customer-hidden"}
# Hidden tests: other shops.
### BEGIN HIDDEN TESTS
assert by_customer.name == "by_customer", "Keep the name of the query"
### END HIDDEN TESTS
```

### Exercise 2: total

```python nbgrader={"schema_version": 3, "solution": true, "grade": false, "locked": false, "task": false, "grade_id": "total"}
def total(prices: list[float]) -> float:
    """The sum of all prices."""
    ### BEGIN SOLUTION
    return sum(prices, start=0.0)
    ### END SOLUTION
```

```python nbgrader={"schema_version": 3, "solution": false, "grade": true, "locked": true, "task": false, "points": 1, "grade_id": "total-visible"}
assert total([1.5, 2.0]) == 3.5, "total adds up all prices"
```
'''


@pytest.fixture
def lab_text() -> str:
    """The text of the small lab; its lines are what the tests' line numbers mean."""
    return TEXT


def make_course(root: Path) -> Path:
    """A course folder at `root` with the small lab and the repository's own settings."""
    lab = root / "source" / f"{LAB}.md"
    lab.parent.mkdir(parents=True)
    lab.write_text(TEXT)
    (lab.parent / "prices.csv").write_text("name,price\npen,1.5\n")
    shutil.copy(REPOSITORY / "nbgrader_config.py", root)
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small course folder."""
    return make_course(tmp_path / "course")


@pytest.fixture
def another_root(tmp_path: Path) -> Path:
    """The same course in another place."""
    return make_course(tmp_path / "deeper" / "copy")
