"""Cost: how long each method takes, by stage."""

from __future__ import annotations

import pandas as pd

from tracking.ablation import STAGES
from tracking.leaderboard import leaderboard
from tracking.pages.charts import drawing
from tracking.report.blocks import Chart, Column, Missing, Section, Table, Text
from tracking.report.palette import WIDTH
from tracking.report.recorded import Recorded

COLUMNS = (
    Column("method", "method"),
    *(Column(stage, f"{stage} (s)", ".2f") for stage in STAGES),
    Column("seconds", "one run (s)", ".2f"),
    Column("trials", "runs", ",d"),
    Column("in_all", "all runs (s)", ".1f"),
    Column("auc", "AUC", ".3f"),
)


def cost_section(lab: Recorded) -> Section:
    """Return the section: seconds of each method's best run by stage, and of all its runs."""
    table = cost_table(lab)
    if table.empty:
        words = "No run says how long it took: all of them were recorded from files."
        return Section("cost", "Cost by stage", (Missing(words, lab.command("tune")),))
    return Section(
        "cost", "Cost by stage", (Text(_lead(table)), _chart(table), Table("costs", CAPTION, table, COLUMNS))
    )


CAPTION = (
    "Best run of each method on the whole question, on one core of the machine it ran on. Features: describing users, "
    "near 0 where an earlier run had described them. Threshold: the further fits on which it is chosen."
)


def cost_table(lab: Recorded) -> pd.DataFrame:
    """Return seconds by stage of each method's best run, the number of its runs and what they took in all."""
    every = leaderboard([lab.store.folder], question=lab.board.question, all_runs=True).table
    seconds = {name: runs["seconds"].tolist() for name, runs in every.groupby("detector")}
    rows = [
        {
            "method": one.name,
            **{stage: one.metric(f"seconds_{stage}") for stage in STAGES},
            "seconds": one.metric("seconds"),
            "trials": len(seconds[one.name]),
            "in_all": sum(seconds[one.name]),
            "auc": one.metric("auc"),
        }
        for one in lab.methods
        if one.metric("seconds") > 0
    ]
    return pd.DataFrame(rows, columns=[column.name for column in COLUMNS])


def _lead(table: pd.DataFrame) -> str:
    slowest = max(table.to_dict(orient="records"), key=lambda row: row["seconds"])
    stage = max(STAGES, key=lambda name: slowest[name] if slowest[name] == slowest[name] else 0.0)
    return (
        f"All {int(table['trials'].sum()):,} runs took {table['in_all'].sum():,.0f} seconds of computing. "
        f"{slowest['method']} costs most a run: {slowest['seconds']:.1f} s, "
        f"of which {slowest[stage]:.1f} s are {stage}."
    )


def _chart(table: pd.DataFrame) -> Chart:
    import altair as alt

    rows = table[["method", *STAGES]].melt("method", var_name="stage", value_name="seconds").dropna()
    rows["place"] = rows["stage"].map({stage: number for number, stage in enumerate(STAGES)})
    chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("seconds:Q", title="seconds of the best run", stack="zero", axis=alt.Axis(tickCount=8)),
            y=alt.Y("method:N", sort=table["method"].tolist(), title=None, axis=alt.Axis(labelLimit=220)),
            color=alt.Color("stage:N", sort=[*STAGES], title=None, legend=alt.Legend(orient="top")),
            order="place:Q",
            tooltip=["method:N", "stage:N", alt.Tooltip("seconds:Q", format=".2f")],
        )
        .properties(width=WIDTH, height=alt.Step(22))
    )
    what = "Seconds of each method's best run by stage"
    return Chart(drawing("cost-by-stage", what, chart), what + ".")
