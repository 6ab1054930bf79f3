"""Parts: the files of a bundle beside its ``competition.yaml``, by their paths in it."""

from __future__ import annotations

import io
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tracking.class_forms import MIN_CLASSES
from tracking.course.codabench.competition import (
    LOGO,
    PAGES,
    SCORING_PROGRAM,
    TERMS,
    columns,
    public_data,
    reference_data,
    starting_kit,
)
from tracking.course.codabench.phases import Phase
from tracking.course.figures import Truth
from tracking.course.folder import CourseFolder
from tracking.course.release import check_batch, write_batch
from tracking.course.rules import NAMES, OF_KINDS, Rules
from tracking.forms import FORMS, write_scores

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
PROGRAM = "scoring.py"
SAMPLE = "sample_submission.zip"


def bundle_files(course: CourseFolder, phases: Sequence[Phase]) -> dict[str, bytes]:
    """Return every file of a bundle but its ``competition.yaml``.

    Labels stand in the reference data of their own round and nowhere else.

    Raises
    ------
    DataError
        If a batch's order or ids predict its labels, or a batch that teams have is another one by now.
    """
    values = _values(course.rules, phases)
    files = {
        LOGO: draw_logo(),
        f"{SCORING_PROGRAM}/{PROGRAM}": (HERE / PROGRAM).read_bytes(),
        f"{SCORING_PROGRAM}/metadata.yaml": f"command: python3 {PROGRAM}\n".encode(),
    }
    files |= {f"pages/{name}.md": _rendered(name, values) for name in (*PAGES.values(), TERMS)}
    for index, phase in enumerate(phases):
        files |= _reference(index, phase, phases[:index], course.rules)
        batch = {f"{phase.name}.npz": _batch(course, phase)}
        if phase.with_data:
            files[public_data(index)] = packed(batch)
            files[starting_kit(index)] = packed(_starting_kit(index, phases, values))
    return files


def sample_submission(index: int, phases: Sequence[Phase], rules: Rules) -> bytes:
    """Return random scores as a team would hand them in."""
    scores = np.random.default_rng(index).random(_sample_shape(index, phases, rules))
    with tempfile.TemporaryDirectory() as folder:
        sample = Path(folder) / SAMPLE
        write_scores(sample, phases[index].truth.ratings.user_ids, scores, FORMS["codabench"])
        return sample.read_bytes()


def packed(files: Mapping[str, bytes]) -> bytes:
    """Return files as a zip; the same files give the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return buffer.getvalue()


def draw_logo() -> bytes:
    """Return a picture of what the course is about: a curve above chance."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3, 3), dpi=100)
    axes = figure.add_axes((0.08, 0.08, 0.84, 0.84))
    share = np.linspace(0, 1, 101)
    axes.plot(share, share, color="0.7", linewidth=3, linestyle="--")
    axes.plot(share, 1 - (1 - share) ** 4, color="#1f5fa8", linewidth=6)
    axes.set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _reference(index: int, phase: Phase, earlier: Sequence[Phase], rules: Rules) -> dict[str, bytes]:
    """Return a round's labels, and what its scoring has to know.

    Of the other rounds it knows how many users those before it have: a hand-in of another round is named, and no round
    to come is told of.
    """
    ratings, truth = phase.truth.ratings, Truth.of(phase.truth)
    arrays = {"users": ratings.user_ids[ratings.ascending], "fake": truth.fake}
    if truth.kinds is not None:
        arrays["kinds"] = truth.kinds
    settings = {
        "round": phase.name,
        "n_ratings": ratings.n_rows,
        "earlier": {one.name: one.truth.ratings.n_users for one in earlier},
        "columns": columns(rules),
        "max_megabytes": rules.max_megabytes,
    }
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    folder = reference_data(index)
    return {
        f"{folder}/truth.npz": buffer.getvalue(),
        f"{folder}/settings.json": json.dumps(settings, indent=1).encode(),
    }


def _batch(course: CourseFolder, phase: Phase) -> bytes:
    """Return a round's batch: the one that teams have, or what a release would write."""
    released = course.batch_file(phase.rules)
    if released.exists():
        check_batch(released, phase.truth)
        return released.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        return write_batch(Path(folder) / released.name, phase.truth).read_bytes()


def _starting_kit(index: int, phases: Sequence[Phase], values: Mapping[str, Any]) -> dict[str, bytes]:
    """Return random scores in the right form, and how to make better ones of that form."""
    shape = _sample_shape(index, phases, values["rules"])
    readme = _rendered("starting_kit", {**values, "phase": phases[index], "shape": shape})
    return {"README.md": readme, SAMPLE: sample_submission(index, phases, values["rules"])}


def _sample_shape(index: int, phases: Sequence[Phase], rules: Rules) -> tuple[int, ...]:
    n_users = phases[index].truth.ratings.n_users
    return (n_users, _known_classes(phases[:index])) if _by_class(rules) else (n_users,)


def _by_class(rules: Rules) -> bool:
    return any(name in OF_KINDS for name in columns(rules))


def _known_classes(earlier: Sequence[Phase]) -> int:
    """Return how many classes the labels of earlier rounds name; a round's own are not told before it is over."""
    kinds = [one.truth.labels.kinds for one in earlier if one.truth.labels is not None]
    return max([MIN_CLASSES, *(int(one.max()) + 1 for one in kinds if one is not None)])


def _values(rules: Rules, phases: Sequence[Phase]) -> dict[str, Any]:
    """Return what the pages show."""
    local = [
        {
            "name": phase.name,
            "start": f"{phase.start.astimezone(rules.timezone):%Y-%m-%d %H:%M}",
            "end": f"{phase.end.astimezone(rules.timezone):%Y-%m-%d %H:%M}",
        }
        for phase in phases
    ]
    return {
        "rules": rules,
        "title": rules.title,
        "zone": rules.timezone.key,
        "phases": local,
        "names": NAMES,
        "grace": f"{rules.grace_minutes:g}" if rules.grace_minutes else "",
        "by_class": _by_class(rules),
    }


def _rendered(page: str, values: Mapping[str, Any]) -> bytes:
    return _environment().get_template(f"{page}.md.j2").render(**values).encode()


@cache
def _environment() -> Environment:
    """Return the pages, in which every value is escaped: Codabench turns their Markdown into HTML."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(HERE / "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
