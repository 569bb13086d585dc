"""Serves the sandbox until a signal stops it: `python -m sandbox --state-dir DIR [--env-file FILE]`."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.certificates import write_private
from sandbox.platforms import sources
from sandbox.server import Sandbox
from sandbox.world import World, instant


def main(argv: list[str] | None = None) -> int:
    """Runs the sandbox until SIGTERM or Ctrl-C and returns the exit code."""
    options = _options(argv)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda number, frame: stop.set())
    world = World(
        seed=options.seed,
        now=options.now,
        accounts=options.accounts,
        campaigns_per_account=options.campaigns_per_account,
    )
    source_options = {"google_ads": {"port": options.grpc_port}, **_source_options(options.option)}
    with (
        Sandbox(world, options.state_dir, http_port=options.http_port, options=source_options) as sandbox,
        _mailbox(options.mail_dir) as mail_variables,
    ):
        if options.env_file:
            variables = {**sandbox.env, **mail_variables}
            lines = "".join(f"{key}={value}\n" for key, value in variables.items())
            write_private(options.env_file, lines.encode())
        for source, server in sandbox.servers.items():
            print(f"{sources()[source].label:<12}{server.address}", flush=True)
        print(f"{'Control':<12}{sandbox.url}/_sandbox/", flush=True)
        stop.wait()
    return 0


@contextmanager
def _mailbox(folder: Path | None) -> Iterator[dict[str, str]]:
    """Runs a mail server if there is a folder for its emails. Yields the variables that direct MDP to it."""
    if folder is None:
        yield {}
        return
    from sandbox.mailbox import Mailbox  # imported lazily: only the demo needs the package

    with Mailbox(folder) as mailbox:
        yield mailbox.environment


def _source_options(written: list[str]) -> dict[str, dict[str, str]]:
    """The options of the sources, each written as ``source.name=value``."""
    found: dict[str, dict[str, str]] = {}
    for option in written:
        key, sign, value = option.partition("=")
        source, dot, name = key.partition(".")
        if not (sign and dot) or source not in sources():
            raise SystemExit(f"--option {option}: write SOURCE.NAME=VALUE, with one of {', '.join(sources())}")
        found.setdefault(source, {})[name] = value
    return found


def _options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--state-dir", type=Path, required=True, help="keeps certificates and keys")
    parser.add_argument("--env-file", type=Path, help="where to write the settings for clients, once ready")
    parser.add_argument("--mail-dir", type=Path, help="runs a mail server too, and keeps its emails here")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--now",
        type=instant,
        help="the world's instant, in UTC without an offset (default: real time)",
    )
    parser.add_argument("--http-port", type=int, default=0)
    parser.add_argument("--grpc-port", type=int, default=0)
    parser.add_argument("--accounts", type=int, help="the least number of accounts per platform")
    parser.add_argument("--campaigns-per-account", type=int)
    parser.add_argument(
        "--option", action="append", default=[], metavar="SOURCE.NAME=VALUE", help="an option of one source's server"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
