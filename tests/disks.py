"""Disks that go bad: a real one that is full, and a real one on which every write hangs."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def a_small_disk(folder: Path) -> Iterator[Path]:
    """A file system of two megabytes, so that "full" is a real ENOSPC."""
    folder.mkdir()
    _mount(folder, "-t", "tmpfs", "-o", "size=2m", "tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Use up every byte that is left; delete what is returned to have room again."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        size = 65536
        while size:
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                pass
            size //= 2
    return ballast


@contextmanager
def a_disk_that_can_hang(folder: Path) -> Iterator[Path]:
    """A file system of its own in a file; see `hung`."""
    folder.mkdir()
    image = folder.with_name(f"{folder.name}.img")
    with image.open("wb") as file:
        file.truncate(32 << 20)
    made = subprocess.run(["mkfs.ext4", "-q", str(image)], capture_output=True, text=True, check=False)
    if made.returncode:
        pytest.skip(f"no file system can be made here: {made.stderr.strip()}")
    _mount(folder, "-o", "loop", str(image))
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def hung(disk: Path) -> Iterator[None]:
    """Every write to this disk hangs, in the kernel, until the `with` ends: what a dying disk or a lost NFS does."""
    frozen = subprocess.run(["fsfreeze", "-f", str(disk)], capture_output=True, text=True, check=False)
    if frozen.returncode:
        pytest.skip(f"a disk cannot be made to hang here: {frozen.stderr.strip()}")
    # A test that touches the disk hangs itself, beyond any `finally`.
    guard = subprocess.Popen(["sh", "-c", f"sleep 20; fsfreeze -u '{disk}'"], start_new_session=True)
    try:
        yield
    finally:
        os.killpg(guard.pid, signal.SIGKILL)
        guard.wait()
        subprocess.run(["fsfreeze", "-u", str(disk)], check=False)


def _mount(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"a disk cannot be mounted here (that takes root): {done.stderr.strip()}")
