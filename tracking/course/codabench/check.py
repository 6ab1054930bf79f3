"""Check: whether a written bundle is one that Codabench's unpacker and its database accept, and tells no labels.

Its rules are those of ``src/apps/competitions/unpackers``, ``src/apps/api/serializers/leaderboards.py`` and
``src/apps/leaderboards/models.py`` of the platform's source (2026). It drops keys that it does not know without a word,
so here they are faults.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from anomaly_lab.errors import DataError
from tracking.course.codabench.documents import from_yaml
from tracking.course.codabench.trial import read_bundle

FILE = "competition.yaml"
KEYS = {
    "competition": (
        "title image terms pages tasks phases leaderboards",
        "version description docker_image registration_auto_approve enable_detailed_results auto_run_submissions "
        "show_detailed_results_in_submission_panel show_detailed_results_in_leaderboard solutions competition_type "
        "can_participants_make_submissions_public make_programs_available make_input_data_available fact_sheet reward "
        "contact_email forum_enabled queue",
    ),
    "page": ("title file", ""),
    "task": (
        "index name scoring_program reference_data",
        "description input_data ingestion_program ingestion_only_during_scoring",
    ),
    "phase": (
        "name start tasks",
        "index description end max_submissions max_submissions_per_day execution_time_limit hide_output "
        "auto_migrate_to_this_phase hide_prediction_output hide_score_output starting_kit public_data",
    ),
    "leaderboard": ("title key columns", "submission_rule hidden primary_index"),
    "column": ("title key index", "sorting precision hidden computation computation_indexes"),
}
"""Keys that must be there, and those that may."""
SUBMISSION_RULES = (
    "Add",
    "Add_And_Delete",
    "Add_And_Delete_Multiple",
    "Force_Last",
    "Force_Latest_Multiple",
    "Force_Best",
)
COMPUTATIONS = ("sum", "avg", "min", "max")
LONGEST_TITLE = 256
LONGEST = {"leaderboard": (64, 36), "column": (36, 36)}
"""Of a title and a key, in characters."""
HARMLESS = ("X", "predictions")
"""Arrays that may stand outside the reference data."""
TABLES = (".npy", ".csv", ".tsv", ".json", ".parquet", ".pkl", ".pickle", ".txt")
"""Files of data that have no place there."""


def check_bundle(path: Path) -> None:
    """Raise unless a zip is a bundle that Codabench accepts, with labels nowhere but in the reference data.

    Raises
    ------
    ConfigError
        If it is no zip.
    DataError
        If it has faults; the message names all of them.
    """
    faults = list(find_faults(read_bundle(path)))
    if faults:
        raise DataError(f"{path}: must be a bundle that Codabench accepts, found: {'; '.join(faults)}")


def find_faults(files: Mapping[str, bytes]) -> Iterator[str]:
    """Yield what is wrong with a bundle.

    Parameters
    ----------
    files : mapping of str to bytes
        Its files by their paths.
    """
    if FILE not in files:
        yield f"no {FILE} at the top"
        return
    try:
        content = from_yaml(files[FILE])
    except ValueError as error:
        yield f"{FILE} is no YAML: {error}"
        return
    if not isinstance(content, dict):
        yield f"{FILE} must hold keys"
        return
    missing = list(_keys("competition", content, FILE))
    yield from missing
    if any("must have" in fault for fault in missing):
        return
    yield from _Check(files, content).faults()


class _Check:
    """Goes through a competition whose keys are there."""

    def __init__(self, files: Mapping[str, bytes], content: Mapping[str, Any]) -> None:
        self.files = files
        self.content = content
        self.tasks = _dicts(content["tasks"])
        self.phases = sorted(_dicts(content["phases"]), key=lambda phase: phase.get("index", 0))

    def faults(self) -> Iterator[str]:
        """Yield every fault."""
        if self.content.get("version") != 2:
            yield "version must be 2, or an older unpacker reads it"
        if not 0 < len(str(self.content["title"] or "")) <= LONGEST_TITLE:
            yield f"title must have 1 to {LONGEST_TITLE} characters"
        for key in ("image", "terms"):
            yield from self._file(self.content[key], key)
        for number, page in enumerate(_dicts(self.content["pages"])):
            yield from _keys("page", page, f"pages[{number}]")
            yield from self._file(page.get("file"), f"pages[{number}].file")
        yield from self._tasks()
        for number, phase in enumerate(self.phases):
            yield from self._phase(phase, f"phases[{number}]")
        yield from self._order()
        yield from self._leaderboards()
        yield from self._labels()

    def _file(self, name: object, where: str) -> Iterator[str]:
        """Yield a fault unless a file, or a folder of files, is there and not empty."""
        inside = [content for file, content in self.files.items() if file == name or file.startswith(f"{name}/")]
        if not isinstance(name, str) or not any(inside):
            yield f"{where} names {name!r}, which is not there or empty"

    def _tasks(self) -> Iterator[str]:
        if not self.tasks:
            yield "tasks must be at least one"
        yield from _repeated([task.get("index") for task in self.tasks], "tasks.index")
        for number, task in enumerate(self.tasks):
            where = f"tasks[{number}]"
            yield from _keys("task", task, where)
            for key in ("scoring_program", "reference_data", "input_data", "ingestion_program"):
                if key in task:
                    yield from self._file(task[key], f"{where}.{key}")
            if b"command:" not in self.files.get(f"{task.get('scoring_program')}/metadata.yaml", b""):
                yield f"{where}.scoring_program must hold a metadata.yaml with a command"

    def _phase(self, phase: Mapping[str, Any], where: str) -> Iterator[str]:
        yield from _keys("phase", phase, where)
        known = [task.get("index") for task in self.tasks]
        named = phase.get("tasks")
        if not isinstance(named, list) or not named:
            yield f"{where}.tasks must name at least one task"
        elif not all(one in known for one in named):
            yield f"{where}.tasks names a task that is not there: {named}, of {known}"
        for key in ("start", "end"):
            if key in phase and _moment(phase[key]) is None:
                yield f"{where}.{key} must be quoted text such as '2026-12-01 09:00:00', found {phase[key]!r}"
        for key in ("max_submissions", "max_submissions_per_day", "execution_time_limit"):
            if not _is_count(phase.get(key, 0)):
                yield f"{where}.{key} must be a whole number from 0 on, found {phase[key]!r}"
        for key in ("public_data", "starting_kit"):
            if key in phase:
                yield from self._file(phase[key], f"{where}.{key}")

    def _order(self) -> Iterator[str]:
        if not self.phases:
            yield "phases must be at least one"
        times = [(_moment(phase.get("start")), _moment(phase.get("end"))) for phase in self.phases]
        for number, (start, end) in enumerate(times):
            if start is not None and end is not None and end <= start:
                yield f"phases[{number}].end must be after its start"
            if number + 1 == len(times):
                break
            after = times[number + 1][0]
            if end is None:
                yield f"phases[{number}] must have an end, for there is a phase after it"
            elif after is not None and after <= end:
                yield f"phases[{number + 1}].start must be after the end of the phase before it, not at it"

    def _leaderboards(self) -> Iterator[str]:
        boards = _dicts(self.content["leaderboards"])
        if not boards:
            yield "leaderboards must be at least one"
        for number, board in enumerate(boards):
            where = f"leaderboards[{number}]"
            yield from _keys("leaderboard", board, where)
            yield from _lengths("leaderboard", board, where)
            if board.get("submission_rule", "Add") not in SUBMISSION_RULES:
                yield f"{where}.submission_rule must be one of {', '.join(SUBMISSION_RULES)}"
            columns = _dicts(board.get("columns"))
            indexes = [column.get("index") for column in columns]
            if board.get("primary_index", 0) not in indexes:
                yield f"{where}.primary_index must be the index of a column, of {indexes}"
            yield from _repeated(indexes, f"{where}.columns.index")
            yield from _repeated([column.get("key") for column in columns], f"{where}.columns.key")
            for place, column in enumerate(columns):
                yield from _column(column, indexes, f"{where}.columns[{place}]")

    def _labels(self) -> Iterator[str]:
        reference = tuple(f"{task.get('reference_data')}/" for task in self.tasks)
        outside = {name: content for name, content in self.files.items() if not name.startswith(reference)}
        yield from _told(outside)


def _column(column: Mapping[str, Any], indexes: Sequence[object], where: str) -> Iterator[str]:
    yield from _keys("column", column, where)
    yield from _lengths("column", column, where)
    if not _is_count(column.get("index")):
        yield f"{where}.index must be a whole number from 0 on"
    if column.get("sorting", "desc") not in ("desc", "asc"):
        yield f"{where}.sorting must be desc or asc"
    if not _is_count(column.get("precision", 2)):
        yield f"{where}.precision must be a whole number from 0 on"
    if ("computation" in column) != ("computation_indexes" in column):
        yield f"{where} must have both computation and computation_indexes, or neither"
    if column.get("computation", "sum") not in COMPUTATIONS:
        yield f"{where}.computation must be one of {', '.join(COMPUTATIONS)}"
    others = column.get("computation_indexes", [])
    if not isinstance(others, list) or not all(one in indexes and one != column.get("index") for one in others):
        yield f"{where}.computation_indexes must be a list of other columns' indexes"


def _told(files: Mapping[str, bytes], within: str = "") -> Iterator[str]:
    """Yield files that may hold labels; archives are looked into."""
    for name, content in files.items():
        where, suffix = within + name, Path(name).suffix.lower()
        if suffix in {".zip", ".npz"}:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                if suffix == ".zip":
                    yield from _told({one: archive.read(one) for one in archive.namelist()}, f"{where}: ")
                elif not all(one.removesuffix(".npy") in HARMLESS for one in archive.namelist()):
                    yield f"{where} must hold no labels, found {', '.join(archive.namelist())}"
        elif suffix in TABLES:
            yield f"{where} must not be there: data outside the reference data may tell labels"


def _keys(kind: str, given: Mapping[str, Any], where: str) -> Iterator[str]:
    required, optional = (names.split() for names in KEYS[kind])
    for key in required:
        if given.get(key) is None:
            yield f"{where} must have {key}" + (", spelt so" if key[:-1] in given else "")
    unknown = [str(key) for key in given if key not in required + optional]
    if unknown:
        yield f"{where} has keys that Codabench drops: {', '.join(unknown)}"


def _lengths(kind: str, given: Mapping[str, Any], where: str) -> Iterator[str]:
    for key, most in zip(("title", "key"), LONGEST[kind], strict=True):
        if len(str(given.get(key))) > most:
            yield f"{where}.{key} must have at most {most} characters"


def _repeated(values: Sequence[object], where: str) -> Iterator[str]:
    if any(value in values[:number] for number, value in enumerate(values)):
        yield f"{where} must be another one each time, found {values}"


def _dicts(given: object) -> list[dict[str, Any]]:
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def _moment(given: object) -> datetime | None:
    """Return a time given as text; one that YAML has made a date is set to midnight by Codabench."""
    try:
        return datetime.fromisoformat(given) if isinstance(given, str) else None
    except ValueError:
        return None


def _is_count(given: object) -> bool:
    return isinstance(given, int) and not isinstance(given, bool) and given >= 0
