"""The sandbox as a process, with a shop that had a given number of orders yesterday."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

from bench.processes import ROOT, MeasurementFailed
from sandbox import Sandbox, World
from sandbox.shopify.customers import Customers
from sandbox.shopify.shops import SHOPS

SHOP = "nordlicht-outdoor.myshopify.com"
_SEED, _DRAWN, _START_SECONDS = 7, 100_000, 120


@contextmanager
def serving_shop(folder: Path, orders: int) -> Iterator[dict[str, str]]:
    """Runs the sandbox, and yields the settings for its shop.

    Args:
        folder: A folder for its files.
        orders: The number of orders of yesterday, about. The shop has no earlier ones.

    Raises:
        MeasurementFailed: It does not start.
    """
    folder.mkdir(parents=True, exist_ok=True)
    env_file, log = folder / "server.env", folder / "server.log"
    command = [sys.executable, "-m", "bench.shop_server", str(folder), str(orders)]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not env_file.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise MeasurementFailed(f"the sandbox did not start → see {log}")
            time.sleep(0.05)
        yield {**json.loads(env_file.read_text()), "SHOPIFY_START_DATE": str(_yesterday())}
    finally:
        process.terminate()
        process.wait(30)


def _yesterday() -> date:
    return datetime.now(timezone.utc).date() - timedelta(days=1)


def main() -> None:
    """Serves until the process is ended."""
    folder, orders = Path(sys.argv[1]), int(sys.argv[2])
    yesterday = _yesterday()
    shop = next(shop for shop in SHOPS if shop.domain == SHOP)
    drawn = Customers(_SEED, shop.resized(_DRAWN, yesterday)).orders_on(yesterday)
    options = {"shopify": {"orders_per_day": orders * _DRAWN / drawn, "opened": str(yesterday)}}
    midnight = datetime.combine(yesterday + timedelta(days=1), datetime.min.time(), timezone.utc)
    with Sandbox(World(_SEED, midnight + timedelta(minutes=10)), folder, options=options) as sandbox:
        written = folder / "server.env.new"
        written.write_text(json.dumps(sandbox.env))
        os.replace(written, folder / "server.env")
        threading.Event().wait()


if __name__ == "__main__":
    main()
