"""The emulated BigQuery as a process: ``python -m <this module> --port-file FILE --gcs-root DIR``.

Listens on a free port of the loopback, and writes it to the file when it is ready.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from pathlib import Path

import bqemulator.server
from bqemulator.api.app import create_app
from bqemulator.api.dependencies import AppContext
from bqemulator.config import Settings

from tests.support.emulators.bigquery import routes, speed, stock, tables
from tests.support.emulators.bigquery.faults import LosesAnswers
from tests.support.emulators.bigquery.jobs import Service


def settings(gcs_root: Path) -> Settings:
    return Settings(
        rest_port=0,
        grpc_port=0,
        gcs_local_root=gcs_root,
        enable_format_extensions=False,  # they would be downloaded
        metrics_enabled=False,
        log_level="warning",
        log_format="console",
    )


def application(context: AppContext) -> LosesAnswers:
    app = create_app(context)
    service = Service(context)
    tables.mend(context, service.sizes)
    routes.install(app, service)
    return LosesAnswers(app)


async def serve(port_file: Path, gcs_root: Path) -> None:
    server = bqemulator.server.EmulatorServer(settings(gcs_root))
    await server.start()
    ending = asyncio.Event()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signal_, ending.set)
    written = port_file.with_suffix(".unfinished")
    written.write_text(str(server.rest_port))
    os.replace(written, port_file)
    await ending.wait()
    await server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--gcs-root", type=Path, required=True, help="where gs://<bucket>/<object> lies as a file")
    given = parser.parse_args()
    speed.mend()
    stock.mend()
    bqemulator.server.create_app = application
    asyncio.run(serve(given.port_file, given.gcs_root))


if __name__ == "__main__":
    main()
