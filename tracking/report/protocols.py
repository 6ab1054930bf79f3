"""Protocols: what cross-validation within rounds promises, beside what the next round gives."""

from __future__ import annotations

import pandas as pd

from tracking.pages.charts import COLOURS, drawing
from tracking.report.blocks import Chart, Column, Missing, Section, Table, Text
from tracking.report.palette import QUIET, WIDTH
from tracking.report.recorded import Recorded

FURTHER = {"auc_in_round": "in round", "auc_forward": "forward"}
FIGURES = ("auc", "auc_in_round", "optimism", "auc_forward", "auc_worst_kind")


def protocols_section(lab: Recorded) -> Section:
    """Return the section: each method's AUC under the protocols that were measured."""
    name, title = "protocols", "In-round against next-round"
    if lab.protocol == "in-round":
        words = "One labelled round was asked about: what a method reaches in another round was not measured."
        return Section(name, title, (Missing(words, lab.command("tune", further="NEXT_LABELLED.npz")),))
    table = protocols_table(lab)
    if table["auc_in_round"].isna().all():
        words = "No run was measured by cross-validation within rounds; a tune that is not cut short does so."
        return Section(name, title, (Missing(words, lab.command("tune")),))
    asked = {"auc": lab.protocol.replace("-", " ")} | FURTHER
    columns = [
        Column("method", "method"),
        *(Column(one, asked[one], ".3f") for one in ("auc", "auc_in_round")),
        Column("optimism", "optimism", "+.3f"),
        Column("auc_forward", "forward", ".3f"),
        Column("auc_worst_kind", "worst kind", ".3f"),
    ]
    shown = [one for one in columns if table[one.name].notna().any()]
    chart = _chart(table, asked)
    return Section(name, title, (Text(_lead(table)), chart, Table("protocol-aucs", CAPTION, table, shown)))


CAPTION = (
    "AUC under each protocol. Next round: each round is scored with the labels of the others. In round: "
    "cross-validated within each round. Optimism: what in-round promises too much. Forward: trained on earlier rounds "
    "only. Worst kind: the lowest AUC on a kind of fakes that training had not seen."
)


def protocols_table(lab: Recorded) -> pd.DataFrame:
    """Return each method's AUC by protocol, NaN where it was not measured."""
    return pd.DataFrame([{"method": one.name} | {name: one.metric(name) for name in FIGURES} for one in lab.methods])


def _lead(table: pd.DataFrame) -> str:
    measured = table[table["optimism"].notna()].to_dict(orient="records")
    worst = max(measured, key=lambda row: row["optimism"])
    by_round = table.sort_values("auc_in_round", ascending=False, kind="stable")["method"].iloc[0]
    by_next = table.sort_values("auc", ascending=False, kind="stable")["method"].iloc[0]
    same = (
        f"Both put {by_next} first." if by_round == by_next else f"In round {by_round} is first, next round {by_next}."
    )
    promise = f"promises {worst['method']} {worst['optimism']:.3f} more than the next round gives, the most of all"
    if worst["optimism"] <= 0:
        promise = "promises no method more than the next round gives"
    return f"Cross-validation within a round knows every kind of fake beforehand. Here it {promise}. {same}"


def _chart(table: pd.DataFrame, asked: dict[str, str]) -> Chart:
    import altair as alt

    order = table["method"].tolist()
    points = table.melt("method", [*asked], "asked", "value").dropna()
    points["asked"] = points["asked"].map(asked)
    domain = [one for one in asked.values() if one in set(points["asked"])]
    y = alt.Y("method:N", sort=order, title=None, axis=alt.Axis(labelLimit=220))
    scale = alt.Scale(zero=False)
    colour = alt.Color(
        "asked:N",
        scale=alt.Scale(domain=domain, range=[*COLOURS[: len(domain)]]),
        title=None,
        legend=alt.Legend(orient="top"),
    )
    shape = alt.Shape("asked:N", scale=alt.Scale(domain=domain), title=None)
    line = alt.Chart(table).mark_rule(color=QUIET, strokeWidth=2)
    line = line.encode(x=alt.X("auc:Q", scale=scale, title="AUC"), x2="auc_in_round:Q", y=y)
    dots = alt.Chart(points).mark_point(filled=True, size=90, opacity=1)
    tooltip = ["method:N", "asked:N", alt.Tooltip("value:Q", format=".3f", title="AUC")]
    dots = dots.encode(x=alt.X("value:Q", scale=scale, title="AUC"), y=y, color=colour, shape=shape, tooltip=tooltip)
    chart = alt.layer(line, dots).properties(width=WIDTH, height=alt.Step(26))
    what = "AUC of each method under each protocol that was measured"
    return Chart(drawing("protocols-auc", what, chart), what + ".")
