"""Report: everything a team hands in about a run, as a page, as Markdown, and as artifacts of its study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anomaly_lab.errors import LabError
from anomaly_lab.ratings.opening import find_file
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.ratings.scale import parse_scale
from experiments.again import Again
from experiments.describe import compare
from experiments.study_read import read_searches
from tracking.rebuild import choose_run
from tracking.report.drifted import Compared
from tracking.report.failures import examples
from tracking.report.recorded import Recorded
from tracking.report.summary import Found, summarise
from tracking.report.write import Written, log_report, write_report
from tracking.store import DEFAULT_FOLDER, PREFIX, Store

if TYPE_CHECKING:
    from anomaly_lab.ratings.labels import Round
    from experiments.driver import Report
    from tracking.report.blocks import Summary
    from tracking.report.search import Search


@dataclass(frozen=True, eq=False)
class Reported:
    """A report and where it is.

    Parameters
    ----------
    summary : Summary
        What it says.
    written : Written
        Its files.
    run_id : str
        The run it is about.
    notes : list of str
        What to know of it.
    """

    summary: Summary
    written: Written
    run_id: str
    notes: list[str]


def report(
    out: str | Path = "report.html",
    *,
    store: str | Path = DEFAULT_FOLDER,
    run: str | None = None,
    batch: str | Path | None = None,
    rounds: Sequence[str | Path] | None = None,
    features: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
    say: Report = lambda line, done, total: None,
) -> Reported:
    """Write the report of a run: a standalone page, Markdown with images beside it, and artifacts of its study.

    What was recorded is read; users are explained, mapped and compared by fitting the run again on its own rounds.
    Where these are gone, or something was never recorded, the report says so and names the command that adds it.

    Parameters
    ----------
    out : path-like
        The page, ``.html``.
    store : path-like
        Folder of the lab.
    run : str, optional
        Beginning of a run's id; the leader of the board by default.
    batch : path-like, optional
        The round to come, to be compared with the run's rounds; by default the embedded course's round 4 if it was
        tuned on, else the newest of the run's rounds is compared with the others.
    rounds : sequence of path-like, optional
        Where the run's rounds are now; by default where they were.
    features, columns
        As for `tracking.export.export`.
    say : callable
        Called with a line about what is being done, and how much of how much is done.

    Raises
    ------
    DataError
        If the batch cannot be read or compared.
    StoreError
        If there is no such run, the rounds given are not those it learnt from, or a file cannot be written.
    """
    opened = Store.open(store)
    chosen, notes = choose_run(opened, run)
    if batch is not None:
        find_file(batch)
    say("reading what is recorded", 0, 4)
    lab = Recorded.read(opened, chosen)
    searches = read_searches(opened, _studies(lab))
    found = _computed(lab, searches, batch=batch, rounds=rounds, features=features, columns=columns, say=say)
    summary = summarise(lab, found)
    say("drawing", 3, 4)
    written = write_report(summary, Path(out))
    studies = {name: one.as_json() for name, one in searches.items()}
    log_report(opened, chosen.data.tags.get("mlflow.parentRunId", chosen.info.run_id), written, studies)
    say(f"{written.page}: {written.size:,} bytes", 4, 4)
    return Reported(summary, written, chosen.info.run_id, notes)


def _studies(lab: Recorded) -> dict[str, str]:
    return {one.name: one.run.data.tags[PREFIX + "study"] for one in lab.methods}


def _computed(
    lab: Recorded,
    searches: Mapping[str, Search],
    *,
    batch: str | Path | None,
    rounds: Sequence[str | Path] | None,
    features: str | Path | None,
    columns: Mapping[str, str] | None,
    say: Report,
) -> Found:
    """Return what is computed again from the run's rounds; why it is not, where they are gone and none were given."""
    try:
        again = Again.of(lab, rounds, features, columns)
    except LabError as error:
        if rounds or features or batch:
            raise
        why = f"This needs the rounds and the detector of the run: {error}."
        return Found(searches, why_not=why, why_no_drift=why)
    kinds = again.kinds()
    say("fitting the run again, to explain users", 1, 4)
    explained, agreement = again.explain(examples(lab, kinds), lab)
    say("mapping users", 2, 4)
    places = again.places(lab)
    compared, why_no_drift = _compared(again.question.rounds, batch, lab, columns)
    return Found(searches, kinds, tuple(explained), places, agreement, compared, why_no_drift=why_no_drift)


def _compared(
    rounds: Sequence[Round], batch: str | Path | None, lab: Recorded, columns: Mapping[str, str] | None
) -> tuple[Compared | None, str]:
    """Return the batch beside the rounds, or the newest round beside the others; or why neither can be."""
    batch = batch or _course_batch(lab)
    if batch is not None:
        one = read_rounds([batch], scale=parse_scale(lab.tag("scale")), columns=columns)[0]
        others = list(rounds)
    elif len(rounds) > 1:
        one, others = rounds[-1], list(rounds[:-1])
    else:
        return None, "One round has nothing to be compared with."
    try:
        drift, table = compare(one, others)
    except LabError as error:
        if batch is not None:
            raise
        return None, f"The newest round cannot be compared: {error}."
    return Compared(one.name, [other.name for other in others], drift, table), ""


def _course_batch(lab: Recorded) -> Path | None:
    """Return the embedded course's round to come, if its rounds were asked about."""
    course = lab.store.folder.absolute() / "course"
    batch = course / "round4.npz"
    ours = all(one["path"] and Path(one["path"]).parent == course for one in lab.round_facts)
    return batch if ours and batch.exists() else None
