"""Trial: a bundle's own scoring program, run on a submission as Codabench runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

from anomaly_lab.errors import ConfigError, DataError
from tracking.course.codabench.competition import TIME_LIMIT
from tracking.course.codabench.documents import from_yaml
from tracking.course.untrusted import check_untrusted
from tracking.forms import METADATA

REFUSED = "refused: "
NOTE = "note: "


@dataclass(frozen=True)
class Trial:
    """What the scoring program says.

    Parameters
    ----------
    figures : dict of str to float
        What it wrote for the board.
    notes : tuple of str
        What it told the team.
    """

    figures: dict[str, float]
    notes: tuple[str, ...]


def try_scores(bundle: Path, round_name: str, scores: Path) -> Trial:
    """Score a submission with a bundle's scoring program, in a process and folders of its own.

    Parameters
    ----------
    bundle : Path
        The bundle.
    round_name : str
        The phase; or its number, from 1.
    scores : Path
        The zip that a team would hand in, or the file of scores in it.

    Raises
    ------
    ConfigError
        If there is no such bundle or phase.
    DataError
        If the submission is refused; the message is what the team would read.
    """
    files = read_bundle(bundle)
    task = _task(files, bundle, round_name)
    with tempfile.TemporaryDirectory(prefix="codabench-") as folder:
        root = Path(folder)
        _put(files, task["scoring_program"], root / "program")
        _put(files, task["reference_data"], root / "input" / "ref")
        settings = json.loads((root / "input" / "ref" / "settings.json").read_text(encoding="utf-8"))
        check_untrusted(scores, settings["max_megabytes"])
        _hand_in(scores, root / "input" / "res")
        (root / "output").mkdir()
        return _run(root, scores)


def read_bundle(bundle: Path) -> dict[str, bytes]:
    """Return the files of a bundle by their paths in it.

    Raises
    ------
    ConfigError
        If there is no such file, or it is no zip.
    """
    try:
        with zipfile.ZipFile(bundle) as archive:
            return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}
    except (OSError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{bundle}: must be a bundle, found: {error}; write it by `course codabench` first") from None


def _task(files: dict[str, bytes], bundle: Path, round_name: str) -> dict[str, Any]:
    """Return the task of a phase."""
    content = from_yaml(files["competition.yaml"])
    for number, phase in enumerate(content["phases"], start=1):
        if round_name in {phase["name"], str(number)}:
            return next(task for task in content["tasks"] if task["index"] == phase["tasks"][0])
    names = ", ".join(phase["name"] for phase in content["phases"])
    raise ConfigError(f"--round must be one of {names} or its number in {bundle}, found '{round_name}'")


def _put(files: dict[str, bytes], source: str, target: Path) -> None:
    """Write the files of one of the bundle's folders."""
    target.mkdir(parents=True)
    for name, content in files.items():
        if name.startswith(f"{source}/"):
            (target / name.removeprefix(f"{source}/")).write_bytes(content)


def _hand_in(scores: Path, target: Path) -> None:
    """Put a submission where the scoring program looks for it: the content of a zip, or a file as if it were in one."""
    target.mkdir(parents=True)
    if scores.suffix.lower() != ".zip":
        copyfile(scores, target / scores.name)
        return
    with zipfile.ZipFile(scores) as archive:
        code = [name for name in archive.namelist() if name in METADATA]
        if code:
            raise DataError(f"{scores}: must not hold a file '{code[0]}': Codabench would run the submission as code")
        archive.extractall(target)


def _run(root: Path, scores: Path) -> Trial:
    """Run the scoring program where Codabench does, with nothing of this program's surroundings."""
    metadata = from_yaml((root / "program" / "metadata.yaml").read_bytes())
    _, *program = metadata["command"].split(" ")
    output = root / "output"
    ran = subprocess.run(
        [sys.executable, *program, str(root / "input"), str(output)],
        cwd=root / "program",
        env={"PATH": os.environ.get("PATH", "")},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=TIME_LIMIT,
        check=False,
    )
    told = ran.stderr.splitlines()
    if ran.returncode or not (output / "scores.json").exists():
        last = told[-1] if told else "nothing was written"
        raise DataError(f"{scores}: Codabench would refuse it: {last.removeprefix(REFUSED)}")
    figures = json.loads((output / "scores.json").read_text(encoding="utf-8"))
    return Trial(figures, tuple(line.removeprefix(NOTE) for line in told if line.startswith(NOTE)))
