"""Kept: answers of a benchmark's cells in a file of the lab's folder, a line each, so that a benchmark goes on."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from anomaly_lab.errors import StoreError

KEY = ("detector_key", "cell_key")


@dataclass(frozen=True)
class KeptCells:
    """What cells of one log have answered.

    A line is written whole when a detector has answered a cell. A last line that a dying writer left unfinished is no
    answer; it is cut off before the next one is written.

    Parameters
    ----------
    path : Path
        The file.
    """

    path: Path

    def read(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return the answers by the keys of detector and cell.

        Raises
        ------
        StoreError
            If a line other than an unfinished last one is no answer.
        """
        if not self.path.exists():
            return {}
        answers = {}
        lines = self.path.read_text(encoding="utf-8").split("\n")
        for number, line in enumerate(lines[:-1], start=1):
            try:
                answer = json.loads(line)
                answers[tuple(answer[key] for key in KEY)] = answer
            except (ValueError, KeyError, TypeError):
                raise StoreError(
                    f"{self.path}: line {number} must be an answer as JSON, found '{line[:40]}'; remove the line"
                ) from None
        return answers

    def add(self, answer: dict[str, Any]) -> None:
        """Write an answer behind the others."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+b") as file:
            if file.tell() and not _ends_a_line(file):
                file.seek(0)
                file.truncate(file.read().rfind(b"\n") + 1)
            file.write(json.dumps(answer).encode() + b"\n")


def _ends_a_line(file: IO[bytes]) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"
