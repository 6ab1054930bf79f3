"""Benchmark tables: what every cell says, summed up by attack and by size."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

COLUMNS = ("auc", "auc_sd", "seeds")


def overall(cells: pd.DataFrame) -> pd.DataFrame:
    """Return each detector's mean AUC over all cells, best first.

    Parameters
    ----------
    cells : DataFrame
        One row a detector and cell with ``detector``, ``attack``, ``attack_size``, ``filler_size``, ``seed``, ``auc``
        and ``seconds``.

    Returns
    -------
    DataFrame
        ``detector``, ``auc``, ``auc_sd`` (standard deviation over seeds of each seed's mean), ``seeds``, ``worst`` (the
        mean AUC on the attack that goes worst), ``worst_attack``, and ``seconds`` of fit and score a cell.
    """
    table = _summed_up(cells, [])
    by_attack = of_attacks(cells).sort_values("auc", kind="stable").drop_duplicates("detector").set_index("detector")
    table["worst"] = table["detector"].map(by_attack["auc"])
    table["worst_attack"] = table["detector"].map(by_attack["attack"])
    table["seconds"] = table["detector"].map(cells.groupby("detector")["seconds"].mean())
    return table.sort_values("auc", ascending=False, kind="stable", ignore_index=True)


def of_attacks(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over sizes of each detector on each attack: ``detector``, ``attack`` and `COLUMNS`."""
    return _summed_up(cells, ["attack"])


def of_sizes(cells: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over attacks: ``detector``, ``attack_size``, ``filler_size`` and `COLUMNS`."""
    return _summed_up(cells, ["attack_size", "filler_size"])


def _summed_up(cells: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return mean and spread over seeds of each seed's mean; groups stand in the order in which they first occur."""
    keys = ["detector", *by]
    seeds = cells.groupby([*keys, "seed"], sort=False)["auc"].mean()
    groups = seeds.groupby(level=keys, sort=False)
    table = pd.DataFrame({"auc": groups.mean(), "auc_sd": groups.std(ddof=1), "seeds": groups.size()})
    return table.reset_index()
