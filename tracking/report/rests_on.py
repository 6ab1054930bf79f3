"""Rests on: the features that the reported run would lose AUC without."""

from __future__ import annotations

import pandas as pd

from anomaly_lab.evaluation.phrases import column_phrase, family_phrase
from tracking.pages.charts import COLOURS, drawing
from tracking.plots import PLOTTED
from tracking.read import artifacts
from tracking.report.blocks import Block, Chart, Column, Missing, Section, Table, Text
from tracking.report.palette import WIDTH
from tracking.report.recorded import Recorded

FILE = "importances.csv"
FEATURES = 15
COLUMNS = (
    Column("feature", "feature"),
    Column("phrase", "what it says", prose=True),
    Column("importance", "AUC lost", "+.3f"),
)


def rests_on_section(lab: Recorded) -> Section:
    """Return the section: permutation importances of families and features."""
    name, title = "rests-on", "What the scores rest on"
    table = read_importances(lab)
    if table.empty:
        words = (
            f"No importances of {lab.mine.name} are recorded: they are of the best run of a tuned detector that scores "
            "features."
        )
        return Section(name, title, (Missing(words, lab.command("tune", "--detector", lab.mine.name)),))
    families = table[table["level"] == "family"]
    features = table[table["level"] == "feature"].head(FEATURES)
    blocks: list[Block] = [Text(_lead(families)), _chart(families)]
    if len(features):
        shown = features.assign(phrase=features["feature"].map(column_phrase))
        blocks.append(Table("features", "The features that matter most, each permuted alone.", shown, COLUMNS))
    return Section(name, title, tuple(blocks))


def read_importances(lab: Recorded) -> pd.DataFrame:
    """Return what the reported run's importances say; empty where none are recorded."""
    columns = {"level": str, "feature": str, "family": str, "importance": float}
    if PLOTTED not in lab.mine.run.data.tags or FILE not in _files(lab):
        return pd.DataFrame(columns=[*columns])
    with artifacts(lab.store, lab.mine.run_id, [FILE]) as folder:
        return pd.read_csv(folder / FILE, dtype=columns, keep_default_na=False)


def _files(lab: Recorded) -> list[str]:
    return [one.path for one in lab.store.client.list_artifacts(lab.mine.run_id)]


def _lead(families: pd.DataFrame) -> str:
    first = families.iloc[0]
    return (
        "Each family of features is permuted among the users of the newest round, all its columns together "
        "(Breiman, 2001; Fisher, Rudin and Dominici, 2019). "
        f"Most is lost by {first['feature']}, {family_phrase(first['feature'])}: {first['importance']:.3f} of the AUC. "
        "Families that say much the same stand in for each other, so that none of them may seem to matter."
    )


def _chart(families: pd.DataFrame) -> Chart:
    import altair as alt

    rows = families.assign(phrase=families["feature"].map(family_phrase))
    chart = (
        alt.Chart(rows)
        .mark_bar(color=COLOURS[0])
        .encode(
            x=alt.X("importance:Q", title="AUC lost"),
            y=alt.Y("feature:N", sort=rows["feature"].tolist(), title=None),
            tooltip=["feature:N", "phrase:N", alt.Tooltip("importance:Q", format="+.4f")],
        )
        .properties(width=WIDTH, height=alt.Step(22))
    )
    what = "AUC that the reported run loses when a family of features is permuted"
    return Chart(drawing("importances", what, chart), what + ".")
