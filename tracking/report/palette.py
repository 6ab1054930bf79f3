"""Palette: what has one colour has it in every chart of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tracking.pages.charts import COLOURS

if TYPE_CHECKING:
    import altair as alt

GENUINE, GENERATED = COLOURS[:2]
KINDS = {"supervised": COLOURS[0], "unsupervised": COLOURS[2], "recorded": COLOURS[4], "other": COLOURS[7]}
QUIET = "#8A8A8A"
"""Of what is there for comparison, on light and on dark."""
WIDTH = 640
"""Of a chart that fills the page's column, in pixels."""


def class_colour(title: str | None = None) -> alt.Color:
    """Return the colour of a field ``class``: genuine or generated."""
    import altair as alt

    scale = alt.Scale(domain=["genuine", "generated"], range=[GENUINE, GENERATED])
    return alt.Color("class:N", scale=scale, title=title, legend=alt.Legend(orient="top", symbolOpacity=0.8))


def kind_colour(kinds: list[str]) -> alt.Color:
    """Return the colour of a field ``kind``: how a method learns."""
    import altair as alt

    known = [one for one in KINDS if one in kinds]
    scale = alt.Scale(domain=known, range=[KINDS[one] for one in known])
    return alt.Color("kind:N", scale=scale, title=None, legend=alt.Legend(orient="top", symbolOpacity=1))
