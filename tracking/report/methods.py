"""Methods: which were compared, what each reached, and whether the first is really ahead."""

from __future__ import annotations

from typing import Any

import pandas as pd
from scipy.stats import norm

from anomaly_lab.registry import MODELS
from tracking.pages.charts import drawing
from tracking.paired import difference_se
from tracking.report.blocks import Block, Chart, Column, Missing, Section, Table, Text
from tracking.report.palette import QUIET, WIDTH, kind_colour
from tracking.report.recorded import SUPERVISED, UNSUPERVISED, Recorded
from tracking.report.words import interval, sentence
from tracking.store import PREFIX

ENOUGH = 2
"""Methods of each kind that a report compares."""
SUGGESTED = {
    SUPERVISED: ("logistic-regression", "gradient-boosting", "random-forest"),
    UNSUPERVISED: ("mahalanobis", "isolation-forest", "lof"),
}
"""Built-in ones to add where some are missing, the quickest first."""

COLUMNS = (
    Column("rank", "rank", ",d"),
    Column("called", "method"),
    Column("kind", "learns", optional=True),
    Column("auc", "AUC", ".3f"),
    Column("interval", "95 %", optional=True),
    Column("behind", "to the first", "+.3f", optional=True),
    Column("behind_error", "± (95 %)", ".3f", optional=True),
    Column("f1", "F1", ".3f"),
    Column("precision", "precision", ".3f", optional=True),
    Column("recall", "recall", ".3f", optional=True),
    Column("average_precision", "AP", ".3f", optional=True),
    Column("runs", "best of", ",d", optional=True),
)


def methods_section(lab: Recorded) -> Section:
    """Return the section: the board, a chart of it, and which kind of method is missing."""
    table = methods_table(lab)
    blocks: list[Block] = [Text(_lead(lab, table)), _chart(table), Table("methods", _caption(lab), table, COLUMNS)]
    if lab.mine.run_id not in [one.run_id for one in lab.methods]:
        blocks.append(Text(f"Reported is another run of {lab.mine.name}, of AUC {lab.mine.metric('auc'):.3f}."))
    blocks += [Text(sentence(note.replace("`runs`", "its"))) for note in lab.board.notes]
    return Section("methods", "Methods compared", (*_missing(lab, table), *blocks))


def methods_table(lab: Recorded) -> pd.DataFrame:
    """Return the board with the kind of each method and its distance to the first, one row a method."""
    board = lab.board.table
    tags = [lab.store.client.get_run(run_id).data.tags for run_id in board["run_id"]]
    table = board.assign(
        kind=[one[PREFIX + "kind"] for one in tags],
        called=board["detector"] + board["baseline"].map({True: " (baseline)", False: ""}),
        interval=[interval(low, high) for low, high in zip(board["auc_low"], board["auc_high"], strict=True)],
    )
    behind = pd.DataFrame([_behind(lab, str(run_id)) for run_id in board["run_id"]])
    return pd.concat([table.reset_index(drop=True), behind], axis=1)


def _behind(lab: Recorded, run_id: str) -> dict[str, float]:
    """Return how far a run is from the first, and 95 % of what chance makes of that; nothing for the first itself."""
    nothing = {"behind": float("nan"), "behind_error": float("nan")}
    run = next((one for one in lab.methods if one.run_id == run_id), None)
    if run is None or run is lab.methods[0]:
        return nothing
    first = lab.methods[0]
    error = float(norm.ppf(0.975)) * difference_se(lab.store, run.run, first.run)
    return {"behind": run.metric("auc") - first.metric("auc"), "behind_error": error}


def _lead(lab: Recorded, table: pd.DataFrame) -> str:
    kinds = table["kind"].value_counts()
    told = " and ".join(f"{kinds[kind]} {kind}" for kind in (SUPERVISED, UNSUPERVISED) if kind in kinds)
    words = f"{len(table)} methods answered {lab.board.title}" + (f", {told}." if told else ".")
    if len(lab.methods) < 2:
        return words
    first, second = lab.methods[:2]
    row = table[table["run_id"] == second.run_id].iloc[0]
    sure = abs(row["behind"]) > row["behind_error"]
    ahead = f"{first.name} stands first; {second.name} is {abs(row['behind']):.3f} behind it in AUC"
    verdict = "more than chance makes of the same users" if sure else "which chance alone may make of the same users"
    return f"{words} {ahead} (95 %: ± {row['behind_error']:.3f}), {verdict}."


def _missing(lab: Recorded, table: pd.DataFrame) -> list[Block]:
    """Return what to add, a block for each kind of which too few were compared."""
    found: list[Block] = []
    for kind, suggested in SUGGESTED.items():
        have = int((table["kind"] == kind).sum())
        fresh = [name for name in suggested if name in MODELS.entries() and name not in set(table["detector"])]
        if have < ENOUGH:
            wanted = fresh[: ENOUGH - have]
            command = lab.command("tune", *(word for name in wanted for word in ("--detector", name)))
            number = {0: "No", 1: "Only one"}[have]
            found.append(Missing(f"{number} {kind} method was compared, and at least {ENOUGH} should be.", command))
    return found


def _caption(lab: Recorded) -> str:
    return (
        "Best run of each method. AUC: mean over the rounds asked, its interval by DeLong, DeLong and Clarke-Pearson "
        "(1988), the distance to the first on the same users. F1, precision and recall at the threshold chosen in "
        f"training. Flagging everyone has AUC 0.500, precision {lab.board.fake_share:.3f} and "
        f"F1 {2 * lab.board.fake_share / (1 + lab.board.fake_share):.3f}."
    )


def _chart(table: pd.DataFrame) -> Chart:
    import altair as alt

    rows = table[["called", "kind", "auc", "auc_low", "auc_high", "f1"]].assign(chance=0.5)
    order: list[Any] = rows["called"].tolist()
    low = min(0.5, float(rows["auc_low"].min()))
    scale, title = alt.Scale(domain=[low - 0.02, 1]), "AUC (bars: 95 %)"
    y = alt.Y("called:N", sort=order, title=None, axis=alt.Axis(labelLimit=220))
    tooltip = [alt.Tooltip(name, format=".3f") for name in ("auc", "auc_low", "auc_high", "f1")]
    axis = alt.Axis(tickCount=6)
    base = alt.Chart(rows).encode(y=y, color=kind_colour(rows["kind"].tolist()), tooltip=["called:N", *tooltip])
    bars = base.mark_rule(strokeWidth=3, opacity=0.5).encode(
        x=alt.X("auc_low:Q", title=title, scale=scale, axis=axis), x2="auc_high:Q"
    )
    points = base.mark_point(filled=True, size=80, opacity=1).encode(x=alt.X("auc:Q", title=title, scale=scale))
    chance = alt.Chart(rows.head(1)).mark_rule(color=QUIET, strokeDash=[4, 4]).encode(x=alt.X("chance:Q", scale=scale))
    chart = alt.layer(chance, bars, points).properties(width=WIDTH, height=alt.Step(26))
    return Chart(
        drawing("methods-auc", "AUC of each method with its 95 % interval", chart),
        "AUC of each method with its 95 % interval; dashed: chance.",
    )
