"""Runs in the emulated session: each service that the written labs use starts and answers."""

import time

import fastapi
import requests
import sqlalchemy

from course.lab import postgres, serve

app = fastapi.FastAPI()


@app.get("/stock/{product}")
def stock(product: str) -> dict[str, object]:
    return {"product": product, "stock": 3}


started = time.monotonic()
with postgres() as server:
    version = sqlalchemy.create_engine(server.sqlalchemy_url).connect().exec_driver_sql("SHOW server_version")
    print(f"PostgreSQL {version.scalar_one()} after {time.monotonic() - started:.1f} s")

started = time.monotonic()
with serve(app, name="shop") as shop:
    assert requests.get(f"{shop.url}/stock/pen", timeout=10).json() == {"product": "pen", "stock": 3}
    print(f"FastAPI {fastapi.__version__} after {time.monotonic() - started:.1f} s")
