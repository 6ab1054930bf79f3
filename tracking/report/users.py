"""Users: a map on which those who are described alike stand close together."""

from __future__ import annotations

import pandas as pd

from tracking.pages.charts import drawing
from tracking.report.blocks import Chart, Missing, Section, Text
from tracking.report.palette import QUIET, WIDTH
from tracking.report.recorded import Recorded

HEIGHT = 480


def users_section(lab: Recorded, places: pd.DataFrame | None, why_not: str = "") -> Section:
    """Return the section: a map of users, coloured by score.

    Parameters
    ----------
    lab : Recorded
        What is recorded.
    places : DataFrame or None
        ``round``, ``user``, ``label``, ``score``, ``x`` and ``y``, one row a user; None where users cannot be
        described.
    why_not : str
        Why they cannot.
    """
    name, title = "users", "Map of users"
    if places is None:
        return Section(name, title, (Missing(why_not, lab.command("report", "--run", lab.mine.run_id[:8])),))
    n_users = len(lab.mine.scored())
    some = "" if len(places) == n_users else f" A sample of {len(places):,} of {n_users:,} users is drawn."
    return Section(name, title, (Text(HOW + some), _chart(places, lab)))


HOW = (
    "Users stand close together where the features that the detector sees are alike: t-SNE (van der Maaten and Hinton, "
    "2008) on their ranks, begun from the main directions (Kobak and Berens, 2019). The axes have no unit, and "
    "distances between far groups mean little."
)


def _chart(places: pd.DataFrame, lab: Recorded) -> Chart:
    import altair as alt

    rows = places.round({"x": 2, "y": 2, "score": 3}).assign(
        known=places["label"].map({0: "genuine", 1: "generated"}),
        wrong=(places["score"] >= 0.5) != (places["label"] == 1),
    )
    rows = rows.drop(columns="label").sort_values("wrong", kind="stable")
    axis = alt.Axis(labels=False, ticks=False, domain=False, grid=False)
    chart = (
        alt.Chart(rows)
        .mark_point(filled=True, opacity=0.85)
        .encode(
            x=alt.X("x:Q", axis=axis, title=None, scale=alt.Scale(zero=False)),
            y=alt.Y("y:Q", axis=axis, title=None, scale=alt.Scale(zero=False)),
            color=alt.Color(
                "score:Q",
                scale=alt.Scale(scheme="blueorange", domain=[0, 1], domainMid=0.5),
                title="score",
                legend=alt.Legend(orient="right", gradientLength=160),
            ),
            shape=alt.Shape(
                "known:N",
                scale=alt.Scale(domain=["genuine", "generated"], range=["circle", "triangle-up"]),
                title="label",
                legend=alt.Legend(symbolFillColor=QUIET, symbolStrokeColor=QUIET),
            ),
            size=alt.condition(alt.datum.wrong, alt.value(90), alt.value(34)),
            stroke=alt.condition(alt.datum.wrong, alt.value("#C2185B"), alt.value(None)),
            strokeWidth=alt.condition(alt.datum.wrong, alt.value(1.8), alt.value(0)),
            tooltip=["user:N", "round:N", alt.Tooltip("score:Q", format=".3f"), alt.Tooltip("known:N", title="label")],
        )
        .properties(width=WIDTH, height=HEIGHT)
        .interactive()
    )
    what = f"Users as {lab.mine.name} sees them, coloured by score"
    caption = f"{what}; triangles: generated; ringed: on the wrong side of the threshold. Scroll to zoom, drag to move."
    return Chart(drawing("users", what, chart), caption)
