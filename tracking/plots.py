"""Plots: what a run's artifacts say, drawn as images for the MLflow UI and reports."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from anomaly_lab.evaluation.metrics import mean_interval
from anomaly_lab.types import IntArray
from tracking.artifacts import artifact_folder
from tracking.read import artifacts
from tracking.store import PREFIX, Store

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PLOTTED = PREFIX + "plots"
"""Tag of runs that have plots."""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#000000")
"""Told apart by colour-blind readers too (Okabe and Ito, 2008)."""

GENUINE, GENERATED = COLOURS[:2]
PER_ROW = 3
LETTERS = 11
"""Of a title, an inch."""
BINS = 40
TOP = 20
STYLE = {
    "svg.fonttype": "none",  # text stays text
    "svg.hashsalt": "anomaly-lab",  # the same plot is the same file
    "axes.titley": 1.0,  # else the place of a title is sought by laying out all that may be in its way
}
"""Plots are SVG, for which matplotlib takes half as long as for pixels, text being most of a plot."""
TAIL = 0.005
"""Share of scores at either end drawn into the outermost bins: one distant user would flatten all others."""


@dataclass(frozen=True, eq=False)
class Played:
    """What a run left of one round that it was asked for.

    Parameters
    ----------
    name : str
        The round.
    scores : DataFrame
        ``fold``, ``user`` (id as text), ``label``, ``score`` and the fold's ``threshold``, one row a user.
    curves : list of dict
        Points of the curves of each of its folds.
    folds : list of dict
        Name, metrics and threshold of each of its folds.
    """

    name: str
    scores: pd.DataFrame
    curves: list[Mapping[str, Any]]
    folds: list[Mapping[str, Any]]

    def mean(self, metric: str) -> float:
        """Return a metric's mean over the round's folds."""
        return float(np.mean([fold["metrics"][metric] for fold in self.folds]))

    def auc_interval(self) -> tuple[float, float]:
        """Return the 95 % interval of its AUC, by DeLong."""
        metrics = [fold["metrics"] for fold in self.folds]
        aucs, variances = (np.array([one[name] for one in metrics]) for name in ("auc", "auc_variance"))
        return mean_interval(aucs, variances)


def log_plots(store: Store, run_id: str, importance: pd.DataFrame | None = None) -> None:
    """Draw a run's score distributions, curves, confusion and importances and log them as ``plots/*.svg``.

    Parameters
    ----------
    store : Store
        Where the run is.
    run_id : str
        A finished run; its ``scores.csv``, ``curves.json`` and ``result.json`` are read back.
    importance : DataFrame, optional
        From `anomaly_lab.evaluation.importance.permutation_importance`, logged as ``importances.csv`` too.
    """
    from matplotlib import rc_context  # half a second that only plots need

    run = store.client.get_run(run_id)
    title = f"{run.info.run_name}: {run.data.tags[PREFIX + 'question_title']}"
    rounds = read_rounds_played(store, run_id)
    with rc_context(STYLE), artifact_folder(store, run) as folder:
        figures = {
            "scores": scores_figure(rounds, title),
            "roc": roc_figure(rounds, title),
            "precision_recall": recall_figure(rounds, title),
            "confusion": confusion_figure(rounds, title),
        }
        if importance is not None and not importance.empty:
            figures["importances"] = importance_figure(importance, rounds[-1].folds[-1]["name"], title)
            importance.to_csv(folder / "importances.csv", index=False)
        (folder / "plots").mkdir(exist_ok=True)
        for name, figure in figures.items():
            figure.savefig(folder / "plots" / f"{name}.svg", metadata={"Date": None})
    store.client.set_tag(run_id, PLOTTED, "true")


def read_rounds_played(store: Store, run_id: str) -> list[Played]:
    """Return what a run's artifacts say, by round; the folds of one round, ``round/part``, are taken together."""
    columns = {"fold": str, "user": str, "label": int, "score": float}
    with artifacts(store, run_id, ["result.json", "curves.json", "scores.csv"]) as folder:
        result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
        curves = json.loads((folder / "curves.json").read_text(encoding="utf-8"))
        # a round may be called NA
        scores = pd.read_csv(folder / "scores.csv", usecols=[*columns], dtype=columns, keep_default_na=False)
    scores["threshold"] = scores["fold"].map({fold["name"]: fold["threshold"] for fold in result["folds"]})
    folds: dict[str, list[Mapping[str, Any]]] = {}
    for fold in result["folds"]:
        folds.setdefault(fold["name"].partition("/")[0], []).append(fold)
    return [
        Played(
            name,
            scores[scores["fold"].isin([part["name"] for part in parts])],
            [curves[part["name"]] for part in parts],
            parts,
        )
        for name, parts in folds.items()
    ]


def scores_figure(rounds: list[Played], title: str) -> Figure:
    """Draw how the scores of genuine and generated users are distributed, a panel a round."""
    figure, panels = make_panels(len(rounds), f"Scores by class\n{title}")
    for panel, one in zip(panels, rounds, strict=True):
        score = one.scores["score"].to_numpy()
        low, high = np.quantile(score, [TAIL, 1 - TAIL])
        bins = np.linspace(low, high if high > low else low + 1, BINS + 1)
        for label, name, colour in ((0, "genuine", GENUINE), (1, "generated", GENERATED)):
            drawn = np.clip(score[one.scores["label"] == label], bins[0], bins[-1])
            shares = np.histogram(drawn, bins)[0] * (100 / max(len(drawn), 1))
            panel.stairs(shares, bins, fill=True, alpha=0.5, color=colour, label=f"{name} ({len(drawn):,})")
        for threshold in one.scores["threshold"].unique():
            panel.axvline(np.clip(threshold, bins[0], bins[-1]), color="black", linestyle="--", linewidth=1)
        panel.plot([], [], "k--", linewidth=1, label="threshold")
        panel.set(title=one.name, xlabel="score (higher = more anomalous)", ylabel="share of the class (%)")
        panel.legend()
    return figure


def roc_figure(rounds: list[Played], title: str) -> Figure:
    """Draw the ROC curve of every fold, a colour a round."""
    figure, (panel,) = make_panels(1, f"ROC\n{title}", (6.4, 6.2))
    panel.plot([0, 1], [0, 1], color="grey", linestyle=":", label="chance (0.500)")
    for colour, one in _coloured(rounds):
        for number, curve in enumerate(one.curves):
            label = f"{one.name} (AUC {one.mean('auc'):.3f})" if number == 0 else None
            panel.plot(curve["fpr"], curve["tpr"], color=colour, label=label)
    panel.set(
        xlabel="false positive rate (share of genuine users)",
        ylabel="true positive rate (share of generated users)",
        aspect="equal",
    )
    panel.legend(loc="lower right")
    return figure


def recall_figure(rounds: list[Played], title: str) -> Figure:
    """Draw precision against recall of every fold, the point of its threshold marked."""
    figure, (panel,) = make_panels(1, f"Precision and recall\n{title}", (6.4, 6.2))
    for colour, one in _coloured(rounds):
        for number, (curve, fold) in enumerate(zip(one.curves, one.folds, strict=True)):
            label = f"{one.name} (AP {one.mean('average_precision'):.3f})" if number == 0 else None
            panel.plot(curve["recall"], curve["precision"], color=colour, label=label)
            at = fold["metrics"]
            panel.plot(at["recall"], at["precision"], "o", color=colour, markeredgecolor="black")
    panel.plot([], [], "o", color="white", markeredgecolor="black", label="at the threshold")
    panel.set(xlabel="recall", ylabel="precision", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), aspect="equal")
    panel.legend()
    return figure


def confusion_figure(rounds: list[Played], title: str) -> Figure:
    """Draw who was flagged at the threshold, two rows a round; shades are shares of the true class."""
    size = 7.4, 1.4 + 1.3 * len(rounds)
    figure, (panel,) = make_panels(1, f"Flagged at the threshold\n{title}", size, left=2.6)
    counts = np.concatenate([_flagged(one.scores) for one in rounds])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    panel.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (truth, said), share in np.ndenumerate(shares):
        text = f"{counts[truth, said]:,} ({share:.0%})"
        panel.text(said, truth, text, ha="center", va="center", color="white" if share > 0.5 else "black", size=12)
    for row in range(2, len(counts), 2):
        panel.axhline(row - 0.5, color="white", linewidth=6)  # between rounds
    panel.set_xticks([0, 1], ["genuine", "generated"])
    panel.set_yticks(range(len(counts)), [f"{one.name}: {name}" for one in rounds for name in ("genuine", "generated")])
    for number, one in enumerate(rounds):
        measures = (f"{short} {one.mean(m):.3f}" for short, m in (("P", "precision"), ("R", "recall"), ("F1", "f1")))
        panel.text(1.6, 2 * number + 0.5, "\n".join(measures), va="center", size=12)
    panel.set(xlim=(-0.5, 2.2), xlabel="predicted (users)", ylabel="true (users)")
    return figure


def _flagged(scores: pd.DataFrame) -> IntArray:
    """Return how many users of each class (rows) were flagged or not (columns, flagged last)."""
    found: IntArray = confusion_matrix(scores["label"], scores["score"] >= scores["threshold"], labels=[0, 1])
    return found


def importance_figure(importance: pd.DataFrame, asked: str, title: str) -> Figure:
    """Draw the AUC lost when features are permuted: the `TOP` features where each was, and every family."""
    families = importance[importance["level"] == "family"]
    features = importance[importance["level"] == "feature"].head(TOP)
    tables = [(one, what) for one, what in ((features, "feature"), (families, "family")) if not one.empty]
    figure, panels = make_panels(len(tables), f"Importance for the AUC on {asked}\n{title}", (6.6, 6.2), left=2.2)
    colour = {name: COLOURS[number % len(COLOURS)] for number, name in enumerate(sorted(families["feature"]))}
    for panel, (table, what) in zip(panels, tables, strict=True):
        panel.barh(table["feature"], table["importance"], color=[colour[name] for name in table["family"]])
        panel.axvline(0, color="black", linewidth=0.8)
        panel.invert_yaxis()
        panel.set(title=f"each {what} permuted alone", xlabel="AUC lost")
    return figure


def make_panels(
    number: int, title: str, size: tuple[float, float] = (5.4, 4.6), left: float = 0.8
) -> tuple[Figure, list[Axes]]:
    """Return a new figure and its panels, each of a size in inches with a left margin for its labels.

    Margins are given: a layout engine would take as long as the drawing.
    """
    from matplotlib.figure import Figure

    right, bottom, top, heading = 0.2, 0.6, 0.6, 0.5
    columns = min(number, PER_ROW)
    rows = -(-number // columns)
    width, height = size[0] * columns, size[1] * rows + heading
    figure = Figure(figsize=(width, height), dpi=110)
    lines = (textwrap.fill(line, int(LETTERS * width)) for line in title.splitlines())
    figure.suptitle("\n".join(lines), fontsize=11, y=1 - 0.12 / height)
    figure.subplots_adjust(
        left=left / width,
        right=1 - right / width,
        bottom=bottom / height,
        top=1 - (top + heading) / height,
        wspace=(left + right) / (size[0] - left - right),
        hspace=(bottom + top) / (size[1] - bottom - top),
    )
    panels = [figure.add_subplot(rows, columns, place + 1) for place in range(number)]
    for panel in panels:
        panel.spines[["top", "right"]].set_visible(False)
    return figure, panels


def _coloured(rounds: list[Played]) -> list[tuple[str, Played]]:
    return [(COLOURS[number % len(COLOURS)], one) for number, one in enumerate(rounds)]
