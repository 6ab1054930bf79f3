"""Failures: who was missed and who was accused, by kind, and why the worst of them have the scores they have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from anomaly_lab.evaluation.explain import Contributions
from anomaly_lab.evaluation.mistakes import mistakes
from tracking.forms import THRESHOLD
from tracking.pages.charts import drawing
from tracking.report.blocks import Block, Chart, Column, Folded, Missing, Section, Table, Text
from tracking.report.palette import GENERATED, GENUINE, WIDTH
from tracking.report.recorded import Recorded
from tracking.report.words import signed

ROUNDS = 2
"""Newest rounds of which users are explained."""
OF_ONE_KIND, OF_MANY = 2, 1
"""Users explained of each kind, where labels name one kind of fakes only, and where they name several."""

Kinds = Mapping[str, Mapping[str, int]]
"""By round and user (as text): how each was generated, 0 for genuine."""


@dataclass(frozen=True)
class Example:
    """A user on the wrong side of the threshold.

    Parameters
    ----------
    round : str
        The round.
    user : str
        The user's id as text.
    kind : str
        ``genuine``, ``generated`` or ``kind <k>``.
    mistake : str
        ``accused`` or ``missed``.
    score : float
        As in a hand-in: 0.5 and above = flagged.
    rank : int
        1 for the round's highest score.
    n_users : int
        Users of the round.
    """

    round: str
    user: str
    kind: str
    mistake: str
    score: float
    rank: int
    n_users: int


@dataclass(frozen=True, eq=False)
class Explained:
    """Why a user has its score.

    Parameters
    ----------
    example : Example
        Who.
    contributions : Contributions or None
        By family and feature; None for a detector that reads ratings itself.
    ratings, strangers, neighbours : DataFrame
        See `anomaly_lab.evaluation.evidence`.
    """

    example: Example
    contributions: Contributions | None
    ratings: pd.DataFrame
    strangers: pd.DataFrame
    neighbours: pd.DataFrame


COLUMNS = (
    Column("round", "round"),
    Column("kind", "users"),
    Column("users", "how many", ",d"),
    Column("mistake", "mistake"),
    Column("wrong", "wrong", ",d"),
    Column("share", "share", ".1%"),
    Column("auc", "AUC against genuine", ".3f"),
    Column("worst", "the worst, by id", prose=True, optional=True),
)
FEATURES = (
    Column("contribution", "log-odds", "+.2f"),
    Column("phrase", "feature", prose=True),
    Column("value", "value", ".3g"),
    Column("percentile", "percentile", ".0f"),
)
RATINGS = (
    Column("item", "item"),
    Column("rating", "rating", "g"),
    Column("probability", "probability", ".2%"),
    Column("commonest", "commonest", "g"),
    Column("raters", "raters", ",d"),
)
NEIGHBOURS = (
    Column("user", "user"),
    Column("round", "round"),
    Column("label", "label"),
    Column("common", "items in common", ",d"),
    Column("expected", "by chance", ".1f"),
    Column("z", "z", ".1f"),
)
STRANGERS = (
    Column("item", "item"),
    Column("z", "z", "+.1f"),
    Column("raters", "raters", ",d"),
)
SHOWN = 5
"""Rows of an explanation's tables."""


def failures_section(lab: Recorded, kinds: Kinds, explained: Sequence[Explained], why_not: str = "") -> Section:
    """Return the section: mistakes by round and kind, then explained examples.

    Parameters
    ----------
    lab : Recorded
        What is recorded.
    kinds : mapping
        Kinds of users where labels name them; empty where they do not, or are not at hand.
    explained : sequence of Explained
        Of the worst users.
    why_not : str
        Why nobody is explained, empty if there is no reason.
    """
    table = mistakes_table(lab, kinds)
    blocks: list[Block] = [Text(_lead(table)), Table("mistakes", CAPTION, table, _columns(table))]
    if why_not:
        blocks.append(Missing(why_not, lab.command("report", "--run", lab.mine.run_id[:8])))
    elif explained:
        blocks.append(Text(HOW))
    blocks += [Folded(_title(one.example), tuple(_reasons(one, number))) for number, one in enumerate(explained)]
    return Section("failures", "Failures", tuple(blocks))


CAPTION = "At the threshold chosen in training. Missed: generated and not flagged. Accused: genuine and flagged."
HOW = (
    "The worst users of the newest rounds, explained by the model that scored them, fitted again. Contributions lead "
    "from the log-odds of genuine users to the user's own (Owen, 1977; Lundberg and Lee, 2017): what counts up speaks "
    "against the user, and 0 is the threshold."
)


def mistakes_table(lab: Recorded, kinds: Kinds) -> pd.DataFrame:
    """Return `anomaly_lab.evaluation.mistakes.mistakes` of every round, with ``round`` and the ``auc`` of each kind."""
    tables = []
    for one, (name, scored) in zip(lab.mine.rounds, lab.mine.scored().groupby("round", sort=False), strict=True):
        users, fake = scored["user"].to_numpy(dtype=object), scored["label"].to_numpy()
        known = kinds.get(str(name))
        kind_of = None if known is None else np.array([known[user] for user in users], dtype=np.int64)
        found = mistakes(users, fake, scored["score"].to_numpy(), THRESHOLD, kind_of)
        aucs = [_auc(one.folds, kind) for kind in found["kind"]]
        tables.append(found.assign(auc=aucs).assign(round=name))
    return pd.concat(tables, ignore_index=True)


def examples(lab: Recorded, kinds: Kinds) -> list[Example]:
    """Return the users to explain: the worst missed and accused ones of the newest rounds."""
    table = mistakes_table(lab, kinds)
    scored = lab.mine.scored()
    newest = [one.name for one in lab.mine.rounds][-ROUNDS:]
    found = []
    for name in newest:
        rows, users = table[table["round"] == name], scored[scored["round"] == name]
        wanted = OF_ONE_KIND if len(rows) == 2 else OF_MANY
        scores = dict(zip(users["user"], users["score"], strict=True))
        for row in rows.to_dict(orient="records"):
            for user in row["worst"][:wanted]:
                rank = int((users["score"] > scores[user]).sum()) + 1
                found.append(Example(name, user, row["kind"], row["mistake"], scores[user], rank, len(users)))
    return found


def _auc(folds: Sequence[Mapping[str, object]], kind: str) -> float:
    """Return the mean AUC of a kind against genuine users, NaN where it is not recorded."""
    name = "auc_" + kind.replace(" ", "_")
    values = [fold["metrics"].get(name) for fold in folds]  # type: ignore[attr-defined]
    return float("nan") if None in values else float(np.mean(values))


def _columns(table: pd.DataFrame) -> list[Column]:
    return [one for one in COLUMNS if one.name != "auc" or table["auc"].notna().any()]


def _lead(table: pd.DataFrame) -> str:
    sums = table.groupby("mistake")[["users", "wrong"]].sum()
    accused, missed = (sums.loc[one] for one in ("accused", "missed"))
    words = (
        f"{missed['wrong']:,} of {missed['users']:,} generated users were missed, and "
        f"{accused['wrong']:,} of {accused['users']:,} genuine ones accused."
    )
    fakes = table[table["mistake"] == "missed"]
    if len(fakes) < 2 or not fakes["wrong"].any():
        return words
    worst = max(fakes.to_dict(orient="records"), key=lambda row: row["share"])
    of = "" if worst["kind"] == "generated" else f" of {worst['kind']}"
    return f"{words} The largest share was missed{of} in {worst['round']}: {worst['share']:.1%}."


def _title(one: Example) -> str:
    return (
        f"User {one.user} of {one.round} ({one.kind}) was {one.mistake}: score {one.score:.3f}, "
        f"{one.rank:,} of {one.n_users:,} from the top"
    )


def _reasons(one: Explained, number: int) -> list[Block]:
    blocks: list[Block] = []
    parts = one.contributions
    if parts is not None:
        blocks.append(_contributions(parts, one.example, number))
        features = parts.features.head(SHOWN)
        blocks.append(
            Table(
                f"why-{number}-features",
                "The features that matter most; percentile among genuine users.",
                features,
                FEATURES,
                sortable=False,
            )
        )
    tables = (
        ("ratings", "Ratings least likely, given their items.", one.ratings, RATINGS),
        (
            "strangers",
            "Items that belong least to the user's others.",
            one.strangers[one.strangers["z"] < 0],
            STRANGERS,
        ),
        ("neighbours", "Users who share most items beyond chance.", one.neighbours, NEIGHBOURS),
    )
    blocks += [
        Table(f"why-{number}-{name}", caption, table.head(SHOWN), columns, sortable=False)
        for name, caption, table, columns in tables
        if len(table)
    ]
    return blocks


def _contributions(parts: Contributions, example: Example, number: int) -> Chart:
    import altair as alt

    rows = parts.families.assign(speaks=np.where(parts.families["contribution"] > 0, "against", "for"))
    colour = alt.Color(
        "speaks:N",
        scale=alt.Scale(domain=["against", "for"], range=[GENERATED, GENUINE]),
        title="speaks for or against the user",
        legend=alt.Legend(orient="top"),
    )
    chart = (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X("contribution:Q", title="log-odds added"),
            y=alt.Y("phrase:N", sort=rows["phrase"].tolist(), title=None, axis=alt.Axis(labelLimit=330)),
            color=colour,
            tooltip=["family:N", "phrase:N", alt.Tooltip("contribution:Q", format="+.2f")],
        )
        .properties(width=WIDTH - 340, height=alt.Step(22))
    )
    what = f"What each family of features adds to the score of user {example.user} of {example.round}"
    caption = f"{what}: {signed(parts.score, 2)} in all, where genuine users have {signed(parts.base, 2)} on average."
    return Chart(drawing(f"why-{number}", what, chart), caption)
