"""Explanation as a plot: what each family and each feature adds to one user's score."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pandas as pd

from anomaly_lab.evaluation.explain import Contributions
from tracking.plots import GENERATED, GENUINE, make_panels

FEATURES = 15
WIDEST = 55
"""Letters in a line of a label: what its margin holds."""


def draw_contributions(found: Contributions, title: str, path: Path) -> None:
    """Draw a user's contributions, families left and the largest `FEATURES` features right, into a PNG.

    Parameters
    ----------
    found : Contributions
        Of one user.
    title : str
        Who is explained.
    path : Path
        The file; it is replaced if there is one.
    """
    heading = f"{title}\nlog-odds {found.score:+.2f}, genuine users {found.base:+.2f} on average (0 = threshold)"
    figure, (left, right) = make_panels(2, heading, (8.2, 5.6), left=4.2)
    for panel, table, what in (
        (left, found.families, "each family"),
        (right, found.features.head(FEATURES), "the features that matter most"),
    ):
        names = [textwrap.fill(phrase, WIDEST) for phrase in table["phrase"]]
        panel.barh(range(len(table)), table["contribution"], color=_colours(table))
        panel.set_yticks(range(len(table)), names, fontsize=8)
        panel.axvline(0, color="black", linewidth=0.8)
        panel.invert_yaxis()
        panel.locator_params(axis="x", nbins=5)
        panel.set(title=what, xlabel="log-odds added (right = against the user)")
    figure.savefig(path)


def _colours(table: pd.DataFrame) -> list[str]:
    return [GENERATED if value > 0 else GENUINE for value in table["contribution"]]
