"""A small disk that rounds can fill: a tmpfs if the system allows it, else a limit on the size of files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

SIZE_MIB = 256
_INSIDE = "MDP_CHAOS_INSIDE"
_NAMESPACE = ("unshare", "--map-root-user", "--mount")


@dataclass(frozen=True)
class Disk:
    """A folder for the rounds. ``mounted``: whether it is its own file system, which can be full."""

    folder: Path
    mounted: bool

    @property
    def how(self) -> str:
        """How a full disk is simulated."""
        if self.mounted:
            return f"a tmpfs of {SIZE_MIB} MiB, filled to the last KiB"
        return "RLIMIT_FSIZE on a run's process: this system does not allow mounting a small disk"

    def unmount(self) -> None:
        """Unmount the disk, so that the folder can be removed."""
        if self.mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)

    @contextmanager
    def filled(self, left_kib: int) -> Iterator[None]:
        """Fill the disk except for ``left_kib``."""
        ballast = self.folder / "ballast"
        try:
            # Unbuffered, because other processes write at the same time, and the disk may become full earlier.
            with suppress(OSError), ballast.open("wb", buffering=0) as file:
                while (free := shutil.disk_usage(self.folder).free - left_kib * 1024) > 0:
                    file.write(bytes(min(free, 4 << 20)))
            yield
        finally:
            ballast.unlink(missing_ok=True)


def enter_namespace(module: str, arguments: list[str]) -> None:
    """Restart this program in a namespace where it may mount. Returns if that is impossible or has already happened."""
    if os.environ.get(_INSIDE) or shutil.which(_NAMESPACE[0]) is None:
        return
    if subprocess.run([*_NAMESPACE, "true"], capture_output=True).returncode == 0:
        os.environ[_INSIDE] = "1"
        os.execvp(_NAMESPACE[0], [*_NAMESPACE, sys.executable, "-m", module, *arguments])


def small_disk(folder: Path) -> Disk:
    """Mount a small disk at the folder. It disappears when this process ends."""
    folder.mkdir(parents=True)
    if not os.environ.get(_INSIDE):
        return Disk(folder, mounted=False)
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m", "tmpfs", str(folder)]
    return Disk(folder, subprocess.run(command, capture_output=True).returncode == 0)
