"""The page of a benchmark: which detector finds which attack, and from what size on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from tracking.benchmark_tables import of_attacks, of_sizes, overall
from tracking.pages.charts import Drawing, chart_script, drawing
from tracking.pages.page import render

if TYPE_CHECKING:
    from altair.vegalite.v6.api import ChartType

DEEPEST = 45
"""How much of a colour, in percent, a cell of AUC 0 or 1 is filled with: text on it stays readable in both themes."""


def benchmark_page(
    title: str, asked: str, cells: pd.DataFrame, *, labels: Mapping[str, str], facts: Mapping[str, Any], note: str = ""
) -> str:
    """Return the page.

    Parameters
    ----------
    title, asked : str
        The question, and its protocol in a sentence.
    cells : DataFrame
        As for :mod:`tracking.benchmark_tables`.
    labels : mapping of str to str
        What each detector saw of the labels.
    facts : mapping of str to Any
        What reproduces the benchmark: settings, digests, versions.
    note : str
        What a reader must know of a benchmark that is not whole.
    """
    best = overall(cells)
    sizes = of_sizes(cells)
    sizes["size"] = [
        f"{percent(a)} / {percent(f)}" for a, f in zip(sizes["attack_size"], sizes["filler_size"], strict=True)
    ]
    return render(
        "benchmark.html.j2",
        scripts=(chart_script(),),
        title=title,
        asked=asked,
        note=note,
        best=best.to_dict("records"),
        by_attack=_wide(of_attacks(cells), "attack", best),
        by_size=_wide(sizes, "size", best),
        labels=labels,
        facts=facts,
        charts=zip(best["detector"], size_drawings(sizes, best["detector"].tolist()), strict=True),
        heat=heat,
    )


def size_drawings(sizes: pd.DataFrame, detectors: list[str]) -> list[Drawing]:
    """Return a drawing a detector: mean AUC by filler size, a line for each attack size, all on one scale."""
    import altair as alt

    shown = sizes.assign(attack=[percent(one) for one in sizes["attack_size"]], filler=100 * sizes["filler_size"])
    order = shown.sort_values("attack_size")["attack"].unique().tolist()
    low = min(0.5, float(shown["auc"].min()))
    x = alt.X("filler:Q", title="filler size, % of items", scale=alt.Scale(type="log"))
    drawings = []
    for number, name in enumerate(detectors):
        mine: ChartType = (
            alt.Chart(shown.loc[shown["detector"] == name, ["attack", "filler", "auc"]])
            .mark_line(point=True)
            .encode(
                x=x.axis(values=sorted(shown["filler"].unique())),
                y=alt.Y("auc:Q", title="AUC", scale=alt.Scale(domain=[low, 1])),
                color=alt.Color("attack:N", title="attack size", sort=order),
                tooltip=["attack:N", "filler:Q", alt.Tooltip("auc:Q", format=".3f")],
            )
            .properties(width=270, height=150)
        )
        drawings.append(drawing(f"sizes-{number}", f"{name}: mean AUC over attacks by filler and attack size", mine))
    return drawings


def percent(share: float) -> str:
    """Return a share as percent: ``3 %``."""
    return f"{100 * share:g} %"


def heat(auc: float) -> str:
    """Return a cell's fill: deeper in one colour towards AUC 1, in the other towards 0, none at chance."""
    colour = "accent" if auc >= 0.5 else "bad"
    return f"background: color-mix(in srgb, var(--{colour}) {DEEPEST * abs(2 * auc - 1):.0f}%, transparent)"


def _wide(table: pd.DataFrame, column: str, best: pd.DataFrame) -> dict[str, Any]:
    """Return column heads, and each detector's cells in their order, best detector first; None where there is none."""
    heads = table[column].drop_duplicates().tolist()
    found = {(one.detector, getattr(one, column)): (one.auc, one.auc_sd) for one in table.itertuples()}
    rows = [(name, [found.get((name, head)) for head in heads]) for name in best["detector"]]
    return {"heads": heads, "rows": rows}
