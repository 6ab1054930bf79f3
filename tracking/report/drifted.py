"""Drifted: how far a round is from those before it, and whether that is unusual."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from anomaly_lab.evaluation.drift import Drift
from anomaly_lab.evaluation.drift_words import levels_words, told_apart_words
from anomaly_lab.evaluation.phrases import family_phrase
from tracking.pages.charts import COLOURS, drawing
from tracking.report.blocks import Block, Chart, Column, Missing, Section, Table, Text
from tracking.report.palette import WIDTH
from tracking.report.recorded import Recorded
from tracking.report.words import sentence

COLUMNS = (
    Column("what", "what", prose=True),
    Column("batch", "here"),
    Column("usual", "usual"),
    Column("meaning", "meaning", prose=True, optional=True),
)


@dataclass(frozen=True, eq=False)
class Compared:
    """A round beside others.

    Parameters
    ----------
    name : str
        The round.
    against : sequence of str
        The others.
    drift : Drift
        Every figure.
    table : DataFrame
        The figures in words: ``what``, ``batch``, ``usual`` and ``meaning``.
    """

    name: str
    against: Sequence[str]
    drift: Drift
    table: pd.DataFrame


def drift_section(lab: Recorded, compared: Compared | None, why_not: str = "") -> Section:
    """Return the section: what sets a round apart.

    Parameters
    ----------
    lab : Recorded
        What is recorded.
    compared : Compared or None
        The comparison; None where there is none.
    why_not : str
        Why there is none.
    """
    name, title = "drift", "Drift"
    command = lab.command("report", "--run", lab.mine.run_id[:8], "--batch", "NEXT.npz", rounds=False)
    if compared is None:
        return Section(name, title, (Missing(why_not, command),))
    found = compared.drift
    blocks: list[Block] = [
        Text(f"{compared.name} beside {' + '.join(compared.against)}, labels playing no part."),
        Text(sentence(told_apart_words(found.told_apart)) + " " + sentence(levels_words(found.levels))),
        _families(found, compared.name),
        _levels(found, compared),
        Table("drift-figures", "What sets the round apart; usual: between or in the others.", compared.table, COLUMNS),
    ]
    if compared.name in lab.round_names:
        blocks.append(Missing("The round to come is not compared: its file was not given.", command))
    return Section(name, title, tuple(blocks))


def _families(found: Drift, name: str) -> Chart:
    import altair as alt

    rows = found.families.assign(phrase=found.families["family"].map(family_phrase), chance=0.5)
    base = alt.Chart(rows).encode(
        y=alt.Y("family:N", sort=rows["family"].tolist(), title=None),
        tooltip=["family:N", "phrase:N", alt.Tooltip("auc:Q", format=".3f", title="AUC")],
    )
    scale = alt.Scale(domain=[min(0.45, float(rows["auc"].min())), 1])
    bars = base.mark_bar(color=COLOURS[0]).encode(
        x=alt.X("auc:Q", title="AUC of telling users apart (0.5: not at all)", scale=scale), x2="chance:Q"
    )
    what = f"How well users of {name} are told from those of other rounds by each family of features"
    return Chart(drawing("drift-families", what, bars.properties(width=WIDTH, height=alt.Step(24))), what + ".")


def _levels(found: Drift, compared: Compared) -> Chart:
    import altair as alt

    there = " + ".join(compared.against)
    rows = found.shares.rename(columns={"batch": compared.name, "training": there}).melt(
        "level", var_name="round", value_name="share"
    )
    rows["level"] = rows["level"].map("{:g}".format)
    order = [f"{level:g}" for level in found.shares["level"]]
    domain = [compared.name, there]
    colour = alt.Color(
        "round:N",
        scale=alt.Scale(domain=domain, range=[COLOURS[1], COLOURS[0]]),
        title=None,
        legend=alt.Legend(orient="top", labelLimit=300),
    )
    chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("level:N", sort=order, title="level", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("round:N", sort=domain),
            y=alt.Y("share:Q", title="share of ratings", axis=alt.Axis(format="%")),
            color=colour,
            tooltip=["round:N", "level:N", alt.Tooltip("share:Q", format=".1%")],
        )
        .properties(width=WIDTH // 2, height=160)
    )
    what = f"Shares of the levels in {compared.name} and in {there}"
    return Chart(drawing("drift-levels", what, chart), what + ".")
