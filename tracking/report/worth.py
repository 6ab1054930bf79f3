"""Worth: what each part of a model is worth, by what it loses without it."""

from __future__ import annotations

import pandas as pd

from anomaly_lab.errors import LabError
from anomaly_lab.registry import MODELS
from anomaly_lab.space import defaults
from tracking.ablation import SECONDS
from tracking.pages.charts import COLOURS, drawing
from tracking.read import COMMON_PARAMS
from tracking.report.ablations import RecordedAblation, read_ablations
from tracking.report.blocks import Block, Chart, Column, Folded, Missing, Section, Table, Text
from tracking.report.palette import QUIET, WIDTH
from tracking.report.recorded import Method, Recorded
from tracking.report.words import listed, signed, slug

COLUMNS = (
    Column("part", "part", optional=True),
    Column("variant", "variant"),
    Column("auc", "AUC", ".3f"),
    Column("auc_sd", "sd over seeds", ".3f", optional=True),
    Column("difference", "difference", "+.3f"),
    Column("error", "± (95 %)", ".3f"),
    Column("f1", "F1", ".3f"),
    Column("seeds", "seeds", ",d", optional=True),
    Column("seconds", "seconds", ".1f", optional=True),
)
Z = 1.96
"""Standard errors on either side of a 95 % interval."""
PARTS = {"family": COLOURS[0], "component": COLOURS[1]}


def worth_section(lab: Recorded) -> Section:
    """Return the section: ablations by family and component, that of the reported method first."""
    found = read_ablations(lab.store, lab.board.question)
    found.sort(key=lambda one: one.detector != lab.mine.name)
    blocks: list[Block] = []
    if lab.mine.name not in [one.detector for one in found]:
        words = f"No ablation of {lab.mine.name} is recorded: what its parts are worth is not known."
        blocks.append(Missing(words, ablation_command(lab, lab.mine)))
    for one in found:
        shown = _shown(one, lab)
        blocks += shown if one.detector == lab.mine.name else [Folded(f"Ablation of {one.detector}", tuple(shown))]
    return Section("worth", "What each part is worth", tuple(blocks))


def ablation_command(lab: Recorded, method: Method) -> str:
    """Return the command that ablates a method as it was run: at those hyperparameters that are not its defaults."""
    try:
        usual = {name: str(value) for name, value in defaults(MODELS.load(method.name)).items()}
    except LabError:  # its plugin is not installed here
        usual = {}
    params = {name: value for name, value in method.run.data.params.items() if name not in COMMON_PARAMS}
    own = [f"{name}={value}" for name, value in params.items() if usual.get(name) != value]
    words = [word for setting in own for word in ("--set", setting)]
    return lab.command("ablate", method.name, "--seeds", "3", *words)


def _shown(one: RecordedAblation, lab: Recorded) -> list[Block]:
    table = one.table.assign(
        error=Z * one.table["difference_se"],
        seconds=one.table[[*SECONDS]].sum(axis=1),
    )
    parts = table[table["part"] != "whole"]
    blocks: list[Block] = [Text(_lead(one, parts))]
    if one.detector == lab.mine.name and one.params != _params(lab.mine):
        blocks.append(
            Text(
                "The ablated model has other hyperparameters than the reported run. These are ablated by: "
                + ablation_command(lab, lab.mine)
            )
        )
    if len(parts):
        blocks.append(_chart(one.detector, parts))
    name = f"ablation-{slug(one.detector)}"
    return [*blocks, Table(name, CAPTION, table, COLUMNS)]


CAPTION = (
    "Difference in AUC to the whole model, the mean over seeds; its interval is that of one seed, both AUCs being of "
    "the same users. 'Without' shows what nothing else makes up for, 'alone' what a part can do by itself."
)


def _lead(one: RecordedAblation, parts: pd.DataFrame) -> str:
    without = parts[parts["variant"].str.startswith("without ")]
    whole = one.table["auc"].iloc[0]
    words = f"{one.detector} as a whole has AUC {whole:.3f}."
    if without.empty:
        return words
    costly = min(without.to_dict(orient="records"), key=lambda row: row["difference"])
    idle = without[without["difference"].abs() <= without["error"]]["variant"].str.removeprefix("without ").tolist()
    words += f" It loses most {costly['variant']}: {signed(costly['difference'])} (95 %: ± {costly['error']:.3f})."
    harmful = without[without["difference"] > without["error"]]["variant"].str.removeprefix("without ").tolist()
    if idle:
        words += f" Without {listed(idle)} the difference is within chance."
    if harmful:
        words += f" Without {listed(harmful)} it is better."
    return words


def _chart(detector: str, parts: pd.DataFrame) -> Chart:
    import altair as alt

    rows = parts[["part", "variant", "auc", "difference", "error"]].assign(
        low=parts["difference"] - parts["error"], high=parts["difference"] + parts["error"]
    )
    known = [one for one in PARTS if one in set(rows["part"])]
    colour = alt.Color(
        "part:N",
        scale=alt.Scale(domain=known, range=[PARTS[one] for one in known]),
        title=None,
        legend=alt.Legend(orient="top", symbolOpacity=1),
    )
    tooltip = [alt.Tooltip("variant:N")]
    tooltip += [alt.Tooltip(f"{name}:Q", format="+.3f") for name in ("difference", "error")]
    y = alt.Y("variant:N", sort=rows["variant"].tolist(), title=None, axis=alt.Axis(labelLimit=220))
    title = "difference in AUC to the whole model"
    base = alt.Chart(rows).encode(y=y, color=colour, tooltip=tooltip)
    points = base.mark_point(filled=True, size=80, opacity=1).encode(x=alt.X("difference:Q", title=title))
    errors = base.mark_rule(strokeWidth=3, opacity=0.5).encode(x=alt.X("low:Q", title=title), x2="high:Q")
    whole = alt.Chart().mark_rule(color=QUIET, strokeDash=[4, 4]).encode(x=alt.datum(0))
    chart = alt.layer(whole, errors, points, data=rows).properties(width=WIDTH, height=alt.Step(20))
    what = f"Difference in AUC to the whole {detector} without each part, and with each alone"
    return Chart(drawing(f"ablation-{slug(detector)}", what, chart), what + "; bars: 95 %, dashed: the whole.")


def _params(method: Method) -> dict[str, str]:
    return {name: value for name, value in method.run.data.params.items() if name not in COMMON_PARAMS}
