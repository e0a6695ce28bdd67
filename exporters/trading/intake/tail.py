"""Follow a file of events through appends, rotation and truncation, and take it up where the last process left it.

A file is known by device, inode and a hash of its first bytes, so a new file under the old name is never taken for
the old one. The mark moves together with the state (one lock, one state file); what is read twice after a crash is
told apart by ``seq``.
"""

import hashlib
import os
import threading
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from exporters.trading.intake.intake import Intake, Receipt, TailMark

_POLL_SECONDS: Final = 0.05
_CHUNK: Final = 1 << 18
_MAX_LINE: Final = 1 << 16
_HEAD: Final = 1024


class Tail:
    """One followed file, in a thread of its own."""

    def __init__(self, path: Path, intake: Intake) -> None:
        """The file need not exist yet."""
        self._path = path
        self._intake = intake
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"tail {path.name}", daemon=True)
        self._file: BinaryIO | None = None
        self._mark = TailMark(0, 0, 0, 0, "")
        self._partial = b""
        self._skipping = False
        self._log = structlog.get_logger(exporter="trading", path=str(path))

    def start(self) -> None:
        """Begin to follow, at the remembered mark."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread; what was not read yet is left for the next process."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._close()

    def _run(self) -> None:
        self._resume()
        while not self._stop.is_set():
            try:
                busy = self._step()
            except Exception as fault:  # noqa: BLE001  # the border: whatever it was, the file is followed on
                self._log.error("cannot follow the file", error=type(fault).__name__)
                self._close()
                busy = False
                self._stop.wait(1.0)
            if not busy:
                self._stop.wait(_POLL_SECONDS)

    def _resume(self) -> None:
        """Open what the mark speaks of: the file itself, or the name it was rotated to while nobody looked."""
        mark = self._intake.marks.get(str(self._path))
        if mark is None:
            return
        for candidate in (self._path, *sorted(self._path.parent.glob(f"{self._path.name}?*"))):
            try:
                file = candidate.open("rb")
            except OSError:
                continue
            found = os.fstat(file.fileno())
            if (found.st_dev, found.st_ino) == (mark.device, mark.inode) and _same(file, found.st_size, mark):
                self._file, self._mark = file, mark
                return
            file.close()
        self._log.warning("the file that was read before is gone, starting the one that is there from its beginning")

    def _step(self) -> bool:
        """Read one chunk; ``False``: there was nothing to read."""
        if self._file is None and not self._open():
            return False
        rotated = self._rotated()  # asked before reading, so that nothing written before the rotation is left behind
        chunk = os.pread(self._descriptor(), _CHUNK, self._mark.offset + len(self._partial))
        if chunk:
            self._take(chunk)
            return True
        if self._truncated():
            self._log.info("the file was truncated, starting again from its beginning")
            self._partial, self._skipping = b"", False
            self._mark = TailMark(self._mark.device, self._mark.inode, 0, 0, "")
            self._intake.feed((), "file", (str(self._path), self._mark))
            return True
        if rotated:
            self._take(b"\n" if self._partial else b"")  # nothing will be added to the old file's last line any more
            self._close()
            return True
        return False

    def _open(self) -> bool:
        try:
            self._file = self._path.open("rb")
        except FileNotFoundError:
            return False
        found = os.fstat(self._file.fileno())
        if (found.st_dev, found.st_ino) != (self._mark.device, self._mark.inode) or not _same(
            self._file, found.st_size, self._mark
        ):
            self._mark = TailMark(found.st_dev, found.st_ino, 0, 0, "")
        return True

    def _take(self, chunk: bytes) -> None:
        buffer = self._partial + chunk
        end = buffer.rfind(b"\n") + 1
        lines = buffer[:end].split(b"\n")[:-1]
        self._partial = buffer[end:]
        if self._skipping and lines:
            del lines[0]
            self._skipping = False
        consumed = end
        if len(self._partial) > _MAX_LINE:
            # A line without end: it is counted once, and what is still to come of it is passed over.
            if not self._skipping:
                self._intake.refuse("file", 0, "line too long", Receipt())
            self._skipping = True
            consumed += len(self._partial)
            self._partial = b""
        self._mark = self._advanced(consumed)
        kept = [line if len(line) <= _MAX_LINE else b"too long" for line in lines]
        self._intake.feed(kept, "file", (str(self._path), self._mark))

    def _advanced(self, by: int) -> TailMark:
        mark = self._mark
        head, fingerprint = mark.head, mark.fingerprint
        if head < _HEAD and self._file is not None:
            head = min(_HEAD, mark.offset + by)
            fingerprint = _fingerprint(self._file, head)
        return TailMark(mark.device, mark.inode, mark.offset + by, head, fingerprint)

    def _descriptor(self) -> int:
        if self._file is None:
            raise FileNotFoundError(str(self._path))
        return self._file.fileno()

    def _truncated(self) -> bool:
        return self._file is not None and not _same(self._file, os.fstat(self._file.fileno()).st_size, self._mark)

    def _rotated(self) -> bool:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return False  # moved away, the new one is not there yet: the old one may still be written to
        return (found.st_dev, found.st_ino) != (self._mark.device, self._mark.inode)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file, self._partial, self._skipping = None, b"", False


def _fingerprint(file: BinaryIO, head: int) -> str:
    return hashlib.sha256(os.pread(file.fileno(), head, 0)).hexdigest()[:32]


def _same(file: BinaryIO, size: int, mark: TailMark) -> bool:
    """It still is the file the mark was made on: not shorter than what was read, and beginning as it did."""
    return size >= mark.offset and (mark.head == 0 or _fingerprint(file, mark.head) == mark.fingerprint)
