"""Write: the report as a page and as Markdown, and its figures where the study's artifacts are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anomaly_lab.errors import StoreError
from tracking.artifacts import artifact_folder
from tracking.pages.charts import chart_script
from tracking.pages.page import render, write_text
from tracking.report.blocks import Summary
from tracking.report.markdown import to_markdown
from tracking.store import Store

LARGEST = 8_000_000
"""Bytes of a page, at most: it is sent by mail."""
FOLDER = "report"
"""Of the study's artifacts."""


@dataclass(frozen=True)
class Written:
    """Where a report is.

    Parameters
    ----------
    page, markdown : Path
        The files.
    images : tuple of Path
        Those of the Markdown.
    size : int
        Bytes of the page.
    """

    page: Path
    markdown: Path
    images: tuple[Path, ...]
    size: int


def write_report(summary: Summary, out: Path) -> Written:
    """Write a report as a page, and beside it as Markdown with its images.

    Parameters
    ----------
    summary : Summary
        The report.
    out : Path
        The page; the Markdown is called the same, and its images are in a folder called the same.

    Raises
    ------
    StoreError
        If a file cannot be written, or the page would be larger than `LARGEST`.
    """
    page = render("report.html.j2", scripts=(chart_script(),), summary=summary)
    size = len(page.encode())
    if size > LARGEST:
        raise StoreError(f"{out}: must be no larger than {LARGEST:,} bytes, found {size:,}; report another --run")
    folder = out.with_name(f"{out.stem}_images")
    images = write_images(summary, folder)
    markdown = write_text(out.with_suffix(".md"), to_markdown(summary, folder.name))
    return Written(write_text(out, page), markdown, images, size)


def write_images(summary: Summary, folder: Path) -> tuple[Path, ...]:
    """Write every chart of a report as an image into a folder, and return the files.

    Raises
    ------
    StoreError
        If one cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        images = tuple(folder / f"{chart.drawing.name}.png" for chart in summary.charts())
        for chart, image in zip(summary.charts(), images, strict=True):
            image.write_bytes(chart.drawing.png())
    except OSError as error:
        raise StoreError(f"{folder}: must be a folder that can be written, found: {error.strerror}") from error
    return images


def log_report(store: Store, run_id: str, written: Written, studies: Mapping[str, object]) -> None:
    """Make a report's figures, and what was read of studies, artifacts of a run.

    Parameters
    ----------
    store : Store
        Where the run is.
    run_id : str
        The parent run of the reported run's study.
    written : Written
        The report.
    studies : mapping of str to object
        What JSON can hold.
    """
    with artifact_folder(store, store.client.get_run(run_id)) as folder:
        target = folder / FOLDER
        target.mkdir(exist_ok=True)
        for image in written.images:
            shutil.copy(image, target)
        (target / "studies.json").write_text(json.dumps(studies, indent=1), encoding="utf-8")
