"""Distributions: how the scores of both classes lie beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from tracking.pages.charts import drawing
from tracking.report.blocks import Chart, Section, Text
from tracking.report.palette import QUIET, WIDTH, class_colour
from tracking.report.recorded import Method, Recorded

BINS = 40
CLASSES = ((0, "genuine"), (1, "generated"))
SHOWN = 20
"""Methods drawn below each other, at most."""


def distributions_section(lab: Recorded) -> Section:
    """Return the section: the reported run by round, and every method."""
    table = score_shares([lab.mine])
    scored = lab.mine.scored()
    blocks: list[Text | Chart] = [Text(_lead(scored)), _by_round(table, lab)]
    if len(lab.methods) > 1:
        blocks.append(_every_method(score_shares(lab.methods[:SHOWN]), lab))
    return Section("scores", "Scores of both classes", tuple(blocks))


def score_shares(methods: Sequence[Method]) -> pd.DataFrame:
    """Return histograms of the scores of each method, round and class.

    Returns
    -------
    DataFrame
        ``method``, ``round``, ``class``, ``start`` and ``end`` of the bin, ``users`` in it and their ``share`` of the
        class; the shares of a method, round and class add up to 1.
    """
    edges = np.linspace(0, 1, BINS + 1)
    tables = []
    for method in methods:
        for name, one in method.scored().groupby("round", sort=False):
            for label, called in CLASSES:
                users, _ = np.histogram(one.loc[one["label"] == label, "score"], edges)
                bins = {"start": edges[:-1], "end": edges[1:], "users": users, "share": users / max(users.sum(), 1)}
                tables.append(pd.DataFrame({"method": method.name, "round": name, "class": called} | bins))
    return pd.concat(tables, ignore_index=True)


def _lead(scored: pd.DataFrame) -> str:
    flagged = scored["score"] >= 0.5
    by_class = [flagged[scored["label"] == label].mean() for label, _ in CLASSES]
    return (
        "Scores stand as a hand-in has them: between 0 and 1, 0.5 at the threshold that was chosen on training users. "
        f"The reported run flags {by_class[1]:.1%} of generated and {by_class[0]:.1%} of genuine users."
    )


def _by_round(table: pd.DataFrame, lab: Recorded) -> Chart:
    import altair as alt

    panels = []
    width = WIDTH if len(lab.mine.rounds) == 1 else WIDTH // 2 - 40
    for one in lab.mine.rounds:
        rows = table[table["round"] == one.name]
        title = alt.TitleParams(one.name, anchor="start")
        bars = _bars(alt.Chart(), "share of the class")
        panels.append(alt.layer(bars, _threshold(), data=rows).properties(width=width, height=190, title=title))
    chart = alt.concat(*panels, columns=2)
    what = f"Scores of genuine and generated users by {lab.mine.name}, by round"
    return Chart(drawing("scores-by-round", what, chart), what + "; dashed: the threshold.")


def _every_method(table: pd.DataFrame, lab: Recorded) -> Chart:
    """Draw a strip a method: its rounds together, each counting the same."""
    import altair as alt

    order = [one.name for one in lab.methods]
    keys = ["method", "class", "start", "end"]
    rows = table.groupby(keys, as_index=False).agg(share=("share", "mean"), users=("users", "sum"))
    strip = alt.layer(_bars(alt.Chart(), None), _threshold()).properties(width=WIDTH - 170, height=42)
    strips = strip.facet(
        row=alt.Row(
            "method:N",
            sort=order,
            title=None,
            header=alt.Header(labelAngle=0, labelAlign="left", labelOrient="left", labelLimit=160, labelFontSize=12),
        ),
        data=rows,
        spacing=6,
    )
    chart = strips.resolve_scale(y="independent")
    what = "Scores of genuine and generated users by every method"
    return Chart(drawing("scores-by-method", what, chart), what + ", the mean over rounds; heights differ by strip.")


def _bars(chart: Any, y: str | None) -> Any:
    """Draw histograms of both classes over each other."""
    import altair as alt

    axis = alt.Axis(format="%", tickCount=4) if y else None
    return chart.mark_bar(opacity=0.55, binSpacing=0).encode(
        x=alt.X("start:Q", bin="binned", title="score", scale=alt.Scale(domain=[0, 1])),
        x2="end:Q",
        y=alt.Y("share:Q", title=y, axis=axis, stack=None),
        color=class_colour(),
        tooltip=[
            alt.Tooltip("class:N"),
            alt.Tooltip("start:Q", title="score from", format=".3f"),
            alt.Tooltip("end:Q", title="to", format=".3f"),
            alt.Tooltip("share:Q", title="share of the class", format=".1%"),
            alt.Tooltip("users:Q"),
        ],
    )


def _threshold() -> Any:
    import altair as alt

    return alt.Chart().mark_rule(color=QUIET, strokeDash=[4, 4]).encode(x=alt.datum(0.5))
