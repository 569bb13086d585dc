"""``make bench``: measure, print the table, write bench/results.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench import agency, daily, memory, one_year, probe, shop_marts, shop_night, shop_store, storage, tick
from bench.figures import Row, as_markdown
from bench.processes import MeasurementFailed

RESULTS = Path(__file__).parent / "results.md"
PARTS: dict[str, Callable[[Path], list[Row]]] = {
    "year": one_year.rows,
    "daily": daily.rows,
    "probe": probe.rows,
    "tick": tick.rows,
    "storage": storage.rows,
    "memory": memory.rows,
    "agency": agency.rows,
    "shop": shop_store.rows,
    "shop_marts": shop_marts.rows,
    "night": shop_night.rows,
}


def main() -> int:
    """Measures, prints the table, and returns the exit code. All parts together are written to results.md.

    A part that fails is printed, and does not lose the figures of the others.
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"some of them: {', '.join(PARTS)} (default: all)")
    parts = parser.parse_args().parts or list(PARTS)
    began = time.monotonic()
    rows: list[Row] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="mdp-bench-") as folder:
        for part in parts:
            print(f"{part} …", flush=True)
            started = time.monotonic()
            try:
                rows += PARTS[part](Path(folder) / part)
            except MeasurementFailed as error:
                failed.append(part)
                print(error)
            print(f"{part}: {time.monotonic() - started:.0f} s", flush=True)
    table = as_markdown(rows, time.monotonic() - began)
    print(f"\n{table}")
    if failed:
        print(f"not measured: {', '.join(failed)}")
        return 1
    if set(parts) == set(PARTS):
        RESULTS.write_text(table)
        print(f"written to {RESULTS}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
