"""Summary: the sections of the report, and the figures that stand above them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan

import pandas as pd

from tracking.expectation import LOGGED
from tracking.report.blocks import Summary, Tile
from tracking.report.cost import cost_section
from tracking.report.curves import curves_section
from tracking.report.distributions import distributions_section
from tracking.report.drifted import Compared, drift_section
from tracking.report.failures import Explained, Kinds, failures_section
from tracking.report.methods import methods_section
from tracking.report.origin import origin_section
from tracking.report.protocols import protocols_section
from tracking.report.recorded import SUPERVISED, UNSUPERVISED, Recorded
from tracking.report.rests_on import rests_on_section
from tracking.report.search import Search, search_section
from tracking.report.users import users_section
from tracking.report.worth import worth_section


@dataclass(frozen=True, eq=False)
class Found:
    """What is not in MLflow: read from studies, or computed again from the recorded rounds and settings.

    Parameters
    ----------
    searches : mapping of str to Search
        Studies by detector.
    kinds : mapping
        Kinds of users where labels name them; see `tracking.report.failures.Kinds`.
    explained : tuple of Explained
        The worst users.
    places : DataFrame or None
        The map; see `tracking.report.users.users_section`.
    agreement : mapping of str to float
        See `tracking.report.origin.origin_section`.
    compared : Compared or None
        A round beside others.
    why_not : str
        Why the rounds were not computed on again, empty if they were.
    why_no_drift : str
        Why no round is compared.
    """

    searches: Mapping[str, Search] = field(default_factory=dict)
    kinds: Kinds = field(default_factory=dict)
    explained: tuple[Explained, ...] = ()
    places: pd.DataFrame | None = None
    agreement: Mapping[str, float] = field(default_factory=dict)
    compared: Compared | None = None
    why_not: str = ""
    why_no_drift: str = ""


def summarise(lab: Recorded, found: Found) -> Summary:
    """Return the report.

    Parameters
    ----------
    lab : Recorded
        What MLflow holds.
    found : Found
        What it does not.
    """
    return Summary(
        title=f"Finding generated users: {lab.mine.name}",
        subtitle=f"{lab.board.title}; run {lab.mine.run_id[:8]}, anomaly-lab {lab.versions['anomaly-lab']}",
        tiles=tuple(_tiles(lab)),
        sections=(
            methods_section(lab),
            distributions_section(lab),
            curves_section(lab),
            protocols_section(lab),
            worth_section(lab),
            rests_on_section(lab),
            search_section(lab, found.searches),
            cost_section(lab),
            failures_section(lab, found.kinds, found.explained, found.why_not),
            drift_section(lab, found.compared, found.why_no_drift),
            users_section(lab, found.places, found.why_not),
            origin_section(lab, found.agreement),
        ),
    )


def _tiles(lab: Recorded) -> list[Tile]:
    mine = lab.mine
    kinds = [one.kind for one in lab.methods]
    tiles = [
        Tile(f"{mine.metric('auc'):.3f}", f"AUC (95 %: {mine.metric('auc_low'):.3f} to {mine.metric('auc_high'):.3f})"),
        Tile(
            f"{mine.metric('f1'):.3f}",
            f"F1 (precision {mine.metric('precision'):.3f}, recall {mine.metric('recall'):.3f})",
        ),
        Tile(
            str(len(lab.methods)),
            f"methods compared ({kinds.count(SUPERVISED)} supervised, {kinds.count(UNSUPERVISED)} unsupervised)",
        ),
    ]
    expected = {key: mine.metric(name) for name, key in LOGGED.items()}
    if not isnan(expected["auc"]):
        tiles.append(
            Tile(f"{expected['auc']:.3f}", f"expected next (90 %: {expected['low']:.3f} to {expected['high']:.3f})")
        )
    if not isnan(real := mine.metric("real_auc")):
        tiles.append(Tile(f"{real:.3f}", f"AUC when it was scored (F1 {mine.metric('real_f1'):.3f})"))
    return tiles
