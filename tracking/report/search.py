"""Search: which hyperparameters mattered, and how the AUC hangs on each, as Optuna says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from tracking.pages.charts import COLOURS, drawing
from tracking.report.blocks import Block, Chart, Column, Folded, Missing, Section, Table, Text
from tracking.report.palette import QUIET, WIDTH
from tracking.report.recorded import Recorded
from tracking.report.words import slug

FEW = 20
"""Trials below which an importance says little."""
PANEL = 170


@dataclass(frozen=True)
class Hyperparameter:
    """One of a study's hyperparameters.

    Parameters
    ----------
    name : str
        Its name.
    importance : float
        Its share of all importances, in [0, 1]; NaN where nothing can be said.
    log : bool
        Whether it was sought on a logarithmic scale.
    numeric : bool
        Whether its values are numbers.
    """

    name: str
    importance: float
    log: bool
    numeric: bool


@dataclass(frozen=True)
class Search:
    """What a study tried.

    Parameters
    ----------
    detector : str
        Whose hyperparameters.
    study : str
        The study's name.
    hyperparameters : tuple of Hyperparameter
        The most important first; empty for a detector without any to tune.
    trials : tuple of mapping
        Of each finished trial its ``number``, ``value`` (AUC) and ``params``.
    failed : int
        Trials whose model failed.
    """

    detector: str
    study: str
    hyperparameters: tuple[Hyperparameter, ...]
    trials: tuple[Mapping[str, Any], ...]
    failed: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)


COLUMNS = (
    Column("hyperparameter", "hyperparameter"),
    Column("importance", "importance", ".2f"),
    Column("best", "in the best trial"),
    Column("trials", "trials", ",d"),
    Column("spread", "AUC from worst to best", ".3f"),
)


def search_section(lab: Recorded, searches: Mapping[str, Search]) -> Section:
    """Return the section: importances of every study, and slices of them.

    Parameters
    ----------
    lab : Recorded
        What is recorded.
    searches : mapping of str to Search
        By detector.
    """
    name, title = "search", "Hyperparameters"
    mine = searches.get(lab.mine.name)
    blocks: list[Block] = []
    if mine is None:
        words = f"No study of {lab.mine.name} is in Optuna's journal: how its hyperparameters matter is not known."
        blocks.append(Missing(words, lab.command("tune", "--detector", lab.mine.name, "--trials", str(FEW))))
    elif mine.hyperparameters and len(mine.trials) < FEW:
        words = f"{len(mine.trials)} trials of {mine.detector} say little of its hyperparameters."
        blocks.append(Missing(words, lab.command("tune", "--detector", mine.detector, "--trials", str(2 * FEW))))
    table = search_table(searches)
    if len(table):
        blocks.insert(0, Text(METHOD))
    for one in sorted(searches.values(), key=lambda one: one.detector != lab.mine.name):
        if one.hyperparameters and len(one.trials) > 1:
            shown = (_slices(one), _table(one.detector, table[table["detector"] == one.detector]))
            blocks += (
                (_importances(one), *shown) if one is mine else [Folded(f"Hyperparameters of {one.detector}", shown)]
            )
    return Section(name, title, tuple(blocks))


METHOD = (
    "Importance is the share of a hyperparameter in telling good trials from the others, by PED-ANOVA (Watanabe, "
    "Bansal and Hutter, 2023) as Optuna has it. A slice shows every trial at its value of one hyperparameter: the "
    "others differ, too."
)


def search_table(searches: Mapping[str, Search]) -> pd.DataFrame:
    """Return every hyperparameter of every study with its importance and its value in the best trial."""
    rows = [row for one in searches.values() if one.trials for row in _rows(one)]
    return pd.DataFrame(rows, columns=["detector", *(column.name for column in COLUMNS)])


def _rows(one: Search) -> Iterator[dict[str, Any]]:
    values = [float(trial["value"]) for trial in one.trials]
    best = one.trials[values.index(max(values))]["params"]
    for hyperparameter in one.hyperparameters:
        yield {
            "detector": one.detector,
            "hyperparameter": hyperparameter.name,
            "importance": hyperparameter.importance,
            "best": _written(best.get(hyperparameter.name)),
            "trials": len(values),
            "spread": max(values) - min(values),
        }


def _table(detector: str, rows: pd.DataFrame) -> Table:
    return Table(f"hyperparameters-{slug(detector)}", f"Hyperparameters of {detector}.", rows, COLUMNS, sortable=False)


def _importances(one: Search) -> Chart:
    import altair as alt

    rows = pd.DataFrame([{"name": each.name, "importance": each.importance} for each in one.hyperparameters]).dropna()
    chart = (
        alt.Chart(rows)
        .mark_bar(color=COLOURS[0])
        .encode(
            x=alt.X("importance:Q", title="importance", scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("name:N", sort=rows["name"].tolist(), title=None, axis=alt.Axis(labelLimit=220)),
            tooltip=["name:N", alt.Tooltip("importance:Q", format=".3f")],
        )
        .properties(width=WIDTH, height=alt.Step(20))
    )
    what = f"Importance of each hyperparameter of {one.detector}"
    caption = f"{what}, from {len(one.trials)} trials" + (f"; {one.failed} more failed." if one.failed else ".")
    return Chart(drawing(f"hyperparameters-of-{slug(one.detector)}", what, chart), caption)


def _written(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _slices(one: Search) -> Chart:
    import altair as alt

    best = max(one.trials, key=lambda trial: trial["value"])["number"]
    panels = [_slice(one, hyperparameter, best) for hyperparameter in one.hyperparameters]
    what = f"AUC of each trial of {one.detector} at its value of each hyperparameter"
    chart = alt.concat(*panels, columns=3).resolve_scale(color="shared")
    return Chart(
        drawing(f"slices-{slug(one.detector)}", what, chart),
        f"{what}, in the order of importance; orange: the best of {len(one.trials)}, the defaults are trial 0.",
    )


def _slice(one: Search, hyperparameter: Hyperparameter, best: int) -> Any:
    import altair as alt

    rows = pd.DataFrame(
        [
            {"at": trial["params"][hyperparameter.name], "value": trial["value"], "trial": trial["number"]}
            for trial in one.trials
            if hyperparameter.name in trial["params"]
        ]
    )
    rows["best"] = rows["trial"] == best
    title = hyperparameter.name
    if hyperparameter.numeric:
        linear = alt.Scale(type="linear", nice=False, padding=10, zero=False)
        scale = alt.Scale(type="log", nice=False, padding=10) if hyperparameter.log else linear
        x: alt.X = alt.X("at:Q", title=title, scale=scale, axis=alt.Axis(tickCount=3, labelOverlap=True))
    else:
        rows["at"] = rows["at"].map(str)
        x = alt.X("at:N", title=title, axis=alt.Axis(labelAngle=-30, labelLimit=90))
    colour = alt.condition(alt.datum.best, alt.value(COLOURS[1]), alt.value(COLOURS[0]))
    return (
        alt.Chart(rows)
        .mark_circle(size=70, opacity=0.8, stroke=QUIET, strokeWidth=0.5)
        .encode(
            x=x,
            y=alt.Y("value:Q", title="AUC", scale=alt.Scale(zero=False, padding=10), axis=alt.Axis(tickCount=4)),
            color=colour,
            tooltip=["trial:Q", "at", alt.Tooltip("value:Q", format=".4f", title="AUC")],
        )
        .properties(width=PANEL, height=130)
    )
