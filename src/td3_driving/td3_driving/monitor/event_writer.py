# SPDX-License-Identifier: Apache-2.0
"""Appends records to an event file; what the disk does not take is kept and written once it does."""

from __future__ import annotations

import io
import itertools
import os
import socket
import time
from pathlib import Path

from tensorboard.summary.writer.record_writer import RecordWriter

MOST_WAITING = 2**24
"""Bytes of records kept while the disk takes none; those that come later are dropped and counted."""


class EventWriter:
    """A new event file of whole records.

    Attributes:
        dropped: records that found no place in memory while the disk was full.

    Args:
        directory: where the file is made.

    Raises:
        OSError: it cannot be made.
    """

    def __init__(self, directory: Path) -> None:
        self._file = os.open(_free_name(directory), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self._on_disk = 0
        self._waiting = bytearray()
        self.dropped = 0

    def add(self, event: bytes) -> None:
        """Take in one serialised event; :meth:`flush` writes it."""
        if len(self._waiting) > MOST_WAITING:
            self.dropped += 1
            return
        record = io.BytesIO()
        RecordWriter(record).write(event)
        self._waiting += record.getvalue()

    def flush(self) -> None:
        """Write all that waits.

        Raises:
            OSError: the disk takes no more. The file ends with a whole record then, and the rest waits.
        """
        try:
            rest = memoryview(self._waiting)
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            # Half a record would make everything behind it unreadable.
            os.ftruncate(self._file, self._on_disk)
            os.lseek(self._file, self._on_disk, os.SEEK_SET)
            raise
        self._on_disk += len(self._waiting)
        self._waiting = bytearray()

    def close(self) -> None:
        """Close the file; what waits is lost."""
        os.close(self._file)


def _free_name(directory: Path) -> Path:
    stem = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}"
    return next(path for number in itertools.count() if not (path := directory / f"{stem}.{number}").exists())
