"""Bundle: a whole course as one zip that Codabench unpacks; checked and tried before it gets its name."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from anomaly_lab.errors import ConfigError
from tracking.course.codabench.check import check_bundle
from tracking.course.codabench.competition import competition
from tracking.course.codabench.documents import to_yaml
from tracking.course.codabench.parts import SAMPLE, bundle_files, packed, sample_submission
from tracking.course.codabench.phases import Phase, plan_phases
from tracking.course.codabench.trial import try_scores
from tracking.course.folder import CourseFolder
from tracking.whole_file import whole_file


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle that was written.

    Parameters
    ----------
    path : Path
        The zip. It holds the labels of every round.
    phases : tuple of Phase
        Its rounds.
    left_out : tuple of str
        Rounds without a labelled file.
    """

    path: Path
    phases: tuple[Phase, ...]
    left_out: tuple[str, ...]


def write_bundle(course: CourseFolder, out: Path, *, start: datetime, all_batches: bool = False) -> Bundle:
    """Write a course as a Codabench bundle, whole or not at all.

    Parameters
    ----------
    course : CourseFolder
        The course. Every round whose labelled file is there becomes a phase.
    out : Path
        The zip; it holds labels and so must not lie in a folder that is handed out.
    start : datetime
        When the first phase begins, with its time zone.
    all_batches : bool
        Whether batches that are not released come too; Codabench shows them before their phases begin.

    Returns
    -------
    bundle : Bundle
        Checked, and the sample submission of each round scored by the scoring program in it.

    Raises
    ------
    ConfigError
        If `out` would be public or is no zip, or the rounds cannot be phases.
    DataError
        If a batch's order or ids predict its labels, the checks find a fault, or the zip cannot be written.
    """
    _check_private(course, out)
    phases = plan_phases(course, start, all_batches=all_batches)
    files = bundle_files(course, phases)
    content = {"competition.yaml": to_yaml(competition(course.rules, phases)), **files}
    with whole_file(out) as draft:
        draft.write_bytes(packed(content))
        check_bundle(draft)
        for index, phase in enumerate(phases):
            sample = draft.with_name(SAMPLE)
            sample.write_bytes(sample_submission(index, phases, course.rules))
            try_scores(draft, phase.name, sample)
    names = {phase.name for phase in phases}
    return Bundle(out, tuple(phases), tuple(one.name for one in course.rules.rounds if one.name not in names))


def _check_private(course: CourseFolder, out: Path) -> None:
    if out.suffix.lower() != ".zip":
        raise ConfigError(f"--out must be a .zip, found '{out}'")
    for folder in (course.path / "public", course.board):
        if out.resolve().is_relative_to(folder.resolve()):
            raise ConfigError(f"--out must not lie in {folder}, for the bundle holds labels, found '{out}'")
