"""Curves: ROC and precision-recall, of the reported run with intervals, and of every method."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import pandas as pd

from anomaly_lab.evaluation.curve_bands import GRID, CurveBands, curve_bands, mean_curves
from tracking.pages.charts import COLOURS, drawing
from tracking.report.blocks import Chart, Column, Section, Table, Text
from tracking.report.palette import QUIET, WIDTH, kind_colour
from tracking.report.recorded import Method, Recorded, fold_parts
from tracking.report.words import interval

SIZE = WIDTH // 2 - 60
"""Of a square panel, in pixels."""
ROC_AXES = ("false positive rate", "true positive rate")
RECALL_AXES = ("recall", "precision")

COLUMNS = (
    Column("round", "round"),
    Column("auc", "AUC", ".3f"),
    Column("auc_interval", "95 %"),
    Column("average_precision", "AP", ".3f"),
    Column("ap_interval", "95 %"),
    Column("at_5", "found at 5 % false alarms", ".3f"),
    Column("at_5_interval", "95 %"),
)


def curves_section(lab: Recorded) -> Section:
    """Return the section: curves and areas by round with intervals, and the mean curves of every method."""
    bands = {one.name: curve_bands(fold_parts(one)) for one in lab.mine.rounds}
    blocks: list[Text | Chart | Table] = [Text(METHOD), _with_bands(bands, lab), _areas(bands, lab)]
    if len(lab.methods) > 1:
        blocks.append(_every_method(lab.methods, lab))
    return Section("curves", "ROC and precision-recall", tuple(blocks))


METHOD = (
    "Intervals of curves hold at each point by itself: percentiles of 1,000 samples of the users, drawn with "
    "replacement within each class (Efron and Tibshirani, 1993). Curves of several folds are averaged at equal false "
    "positive rate, or recall (Fawcett, 2006). Intervals of AUCs are by DeLong, DeLong and Clarke-Pearson (1988)."
)


def band_points(bands: dict[str, CurveBands]) -> pd.DataFrame:
    """Return the points of curves: ``curve`` (``roc`` or ``recall``), ``round``, ``x``, ``y``, ``low``, ``high``."""
    tables = [
        pd.DataFrame({"curve": curve, "round": name, "x": one.x, "y": one.y, "low": one.low, "high": one.high})
        for name, both in bands.items()
        for curve, one in (("roc", both.roc), ("recall", both.recall))
    ]
    return pd.concat(tables, ignore_index=True).round(4)


def method_points(methods: Sequence[Method]) -> pd.DataFrame:
    """Return the mean curves of methods: ``curve``, ``method``, ``kind``, ``auc``, ``x`` and ``y``."""
    tables = []
    for one in methods:
        roc, recall = mean_curves(one.parts())
        about = {"method": one.name, "kind": one.kind, "auc": one.metric("auc")}
        tables += [
            pd.DataFrame({"curve": "roc", **about, "x": GRID, "y": roc}),
            pd.DataFrame({"curve": "recall", **about, "x": GRID[1:], "y": recall}),
        ]
    return pd.concat(tables, ignore_index=True).round(4)


def _areas(bands: dict[str, CurveBands], lab: Recorded) -> Table:
    rows = []
    for one in lab.mine.rounds:
        both = bands[one.name]
        at = round(0.05 * (len(GRID) - 1))
        value, low, high = both.average_precision
        rows.append(
            {
                "round": one.name,
                "auc": one.mean("auc"),
                "auc_interval": interval(*one.auc_interval()),
                "average_precision": value,
                "ap_interval": interval(low, high),
                "at_5": float(both.roc.y[at]),
                "at_5_interval": interval(both.roc.low[at], both.roc.high[at]),
            }
        )
    return Table("areas", f"{lab.mine.name} by round", pd.DataFrame(rows), COLUMNS)


def _with_bands(bands: dict[str, CurveBands], lab: Recorded) -> Chart:
    import altair as alt

    points, names = band_points(bands), list(bands)
    colour = alt.Color(
        "round:N",
        scale=alt.Scale(domain=names, range=[COLOURS[number % len(COLOURS)] for number in range(len(names))]),
        title=None,
        legend=alt.Legend(orient="top", labelLimit=300, symbolOpacity=1),
    )
    tooltip = ["round:N", *(alt.Tooltip(name, format=".3f") for name in ("x", "y", "low", "high"))]
    panels = []
    for curve, axes, line in (("roc", ROC_AXES, _chance()), ("recall", RECALL_AXES, _share(lab))):
        base = alt.Chart(points[points["curve"] == curve]).encode(x=_axis("x", axes[0]), color=colour)
        band = base.mark_area(opacity=0.25).encode(y=_axis("low", axes[1]), y2="high:Q")
        drawn = base.mark_line(strokeWidth=2).encode(y=_axis("y", axes[1]), order="x:Q", tooltip=tooltip)
        panels.append(alt.layer(line, band, drawn).properties(width=SIZE, height=SIZE))
    what = f"ROC and precision-recall curves of {lab.mine.name} by round, with 95 % intervals"
    return Chart(
        drawing("curves-by-round", what, alt.hconcat(*panels)),
        what + "; dotted: chance. Point at a curve to read it.",
    )


def _every_method(methods: Sequence[Method], lab: Recorded) -> Chart:
    import altair as alt

    points = method_points(methods)
    chosen = alt.selection_point(
        name="chosen", fields=["method"], on="pointerover", empty=False, value=[{"method": lab.mine.name}]
    )
    kinds = sorted({one.kind for one in methods})
    panels = []
    for curve, axes, line in (("roc", ROC_AXES, _chance()), ("recall", RECALL_AXES, _share(lab))):
        base = alt.Chart(points[points["curve"] == curve]).encode(
            x=_axis("x", axes[0]), y=_axis("y", axes[1]), detail="method:N", order="x:Q", color=kind_colour(kinds)
        )
        lines = base.mark_line().encode(
            strokeWidth=alt.condition(chosen, alt.value(3.5), alt.value(1.3)),
            opacity=alt.condition(chosen, alt.value(1), alt.value(0.75)),
        )
        tooltip = ["method:N", "kind:N", alt.Tooltip("auc:Q", format=".3f", title="AUC")]
        pointed = base.mark_line(strokeWidth=9, opacity=0.01).encode(tooltip=tooltip)  # a thin line is hard to hit
        panels.append(alt.layer(line, lines, pointed).properties(width=SIZE, height=SIZE))
    with warnings.catch_warnings():  # that it is one selection in both panels is what is meant
        warnings.filterwarnings("ignore", "Automatically deduplicated")
        chart = alt.hconcat(*panels).add_params(chosen)
    what = "ROC and precision-recall curves of every method, the mean over rounds"
    return Chart(
        drawing("curves-by-method", what, chart),
        f"{what}; thick: {lab.mine.name}, or the method that is pointed at. Dotted: chance.",
    )


def _axis(field: str, title: str) -> Any:
    import altair as alt

    channel = alt.X if field == "x" else alt.Y
    return channel(f"{field}:Q", title=title, scale=alt.Scale(domain=[0, 1]))


def _chance() -> Any:
    import altair as alt

    diagonal = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0]})
    return alt.Chart(diagonal).mark_line(color=QUIET, strokeDash=[2, 4]).encode(x="x:Q", y="y:Q")


def _share(lab: Recorded) -> Any:
    """Draw the precision of flagging everyone."""
    import altair as alt

    share = lab.board.fake_share
    flat = pd.DataFrame({"x": [0.0, 1.0], "y": [share, share]})
    return alt.Chart(flat).mark_line(color=QUIET, strokeDash=[2, 4]).encode(x="x:Q", y="y:Q")
