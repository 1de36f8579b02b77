"""The board of the judging in a file, so that a restart need not read the last day again.

The database alone decides: the file is a copy of what follows from it, as of one batch. Without
it, or where it does not belong to the database, everything is read back from the readings.
"""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import structlog

from alerts.snapshot import FORMAT, arrays_of, board_of

if TYPE_CHECKING:
    from pathlib import Path

    from alerts.board import Board

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where in the database a board stands.

    It has taken every batch up to ``batch``, which was received at ``received_at`` (us), and the
    alerts' history up to entry ``history`` tells of it.
    """

    batch: int
    received_at: int
    history: int
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The file of one installation; what it cannot read or write it says in the log."""

    path: Path

    @classmethod
    def of(cls, data_dir: Path, installation: str) -> Checkpoint:
        """Return the checkpoint of an installation in a data directory."""
        return cls(data_dir / f"judging-{installation}.npz")

    def write(self, board: Board, mark: Mark) -> bool:
        """Write a board beside the file in force; the board must not change meanwhile."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            arrays = {"mark": np.array(json.dumps(asdict(mark)))} | arrays_of(board)
            with open(self._new, "wb", opener=_private) as file:
                np.savez(file, allow_pickle=False, **arrays)
        except OSError as error:
            _log.warning("no checkpoint of the judging", file=str(self._new), error=str(error))
            return False
        return True

    def publish(self) -> None:
        """Put what was written in force, once it is on the disk."""
        try:
            with self._new.open("rb") as file:
                os.fsync(file.fileno())
            self._new.replace(self.path)
        except OSError as error:
            _log.warning("no checkpoint of the judging", file=str(self.path), error=str(error))

    def read(self) -> tuple[Mark, Board] | None:
        """Return what was published last; None where there is nothing that can be used."""
        try:
            with self.path.open("rb") as file, np.load(file) as arrays:
                mark = Mark(**json.loads(str(arrays["mark"])))
                if mark.format != FORMAT:
                    return None
                return mark, board_of(arrays)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            _log.warning("the checkpoint cannot be read", file=str(self.path), error=str(error))
            return None

    @property
    def _new(self) -> Path:
        return self.path.with_suffix(".new")


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
