"""Plots: every study's best run has them, and they show the run's own figures."""

import math
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from anomaly_lab.ratings.readers import read_rounds
from experiments.tune import tune
from tracking.plots import (
    TOP,
    Played,
    confusion_figure,
    importance_figure,
    log_plots,
    read_rounds_played,
    recall_figure,
    roc_figure,
    scores_figure,
)
from tracking.read import artifacts, shown_runs
from tracking.store import Store

SVG = "{http://www.w3.org/2000/svg}"
PLOTS = {"scores", "roc", "precision_recall", "confusion", "importances"}


@pytest.fixture(scope="module")
def store(tiny_lab):
    return Store.open(tiny_lab)


@pytest.fixture(scope="module")
def best(store):
    return [run for run in shown_runs(store) if run.data.tags.get("lab.best_of_study") == "true"]


@pytest.fixture(scope="module")
def played(store, best):
    return read_rounds_played(store, best[0].info.run_id)


def played_in_parts(name, n_parts, *, constant=False):
    rng = np.random.default_rng(0)
    labels = np.tile([0, 0, 0, 1], 10 * n_parts)
    scores = np.zeros(len(labels)) if constant else rng.normal(size=len(labels)) + labels
    part = np.repeat([f"{name}/{number}" for number in range(n_parts)], 40)
    metrics = {"auc": 0.75, "average_precision": 0.5, "precision": 0.4, "recall": 0.6, "f1": 0.48}
    curve = {"fpr": [0, 0.2, 1], "tpr": [0, 0.7, 1], "precision": [0.25, 0.5, 1], "recall": [1, 0.5, 0]}
    table = pd.DataFrame({"fold": part, "label": labels, "score": scores, "threshold": 0.5})
    folds = [{"name": f"{name}/{number}", "threshold": 0.5, "metrics": metrics} for number in range(n_parts)]
    return Played(name, table, [curve] * n_parts, folds)


def numbers_drawn(image):
    return re.findall(r"nan|inf|-?[\d.]+(?:e-?\d+)?", " ".join(path.get("d") for path in image.iter(f"{SVG}path")))


def test_the_best_run_of_every_study_has_plots_and_no_other_run(store, best):
    assert {run.data.tags["lab.detector"] for run in best} == {"mahalanobis", "logistic-regression"}
    for run in best:
        with artifacts(store, run.info.run_id, ["plots"]) as folder:
            drawn = {path.stem: ElementTree.parse(path).getroot() for path in (folder / "plots").glob("*.svg")}
        assert drawn.keys() == PLOTS
        for image in drawn.values():
            assert min(float(image.get(side).removesuffix("pt")) for side in ("width", "height")) > 300
            words = [text.text for text in image.iter(f"{SVG}text")]
            assert any(run.info.run_name in text for text in words)
            assert all(math.isfinite(float(number)) for number in numbers_drawn(image))
        assert {"genuine", "generated"} <= {text.text for text in drawn["confusion"].iter(f"{SVG}text")}
    plotted = {run.info.run_id for run in shown_runs(store) if store.client.list_artifacts(run.info.run_id, "plots")}
    assert plotted == {run.info.run_id for run in best}


def test_importances_are_logged_as_a_table_too(store, best):
    for run in best:
        with artifacts(store, run.info.run_id, ["importances.csv"]) as folder:
            table = pd.read_csv(folder / "importances.csv")
        families = table.loc[table["level"] == "family", "feature"]
        assert set(families) == set(run.data.params["families"].split(","))
        assert table["importance"].notna().all()


def test_what_is_drawn_adds_up_to_what_was_recorded(played):
    assert [one.name for one in played] == [one.folds[0]["name"] for one in played]
    for one in played:
        flagged = one.scores["score"] >= one.scores["threshold"]
        metrics = one.folds[0]["metrics"]
        assert one.scores["label"][flagged].mean() == pytest.approx(metrics["precision"])
        assert flagged[one.scores["label"] == 1].mean() == pytest.approx(metrics["recall"])


def test_scores_are_drawn_by_class_and_round_in_shares(played):
    figure = scores_figure(played, "run: question")
    assert "run: question" in figure.get_suptitle()
    assert [panel.get_title() for panel in figure.axes] == [one.name for one in played]
    for panel, one in zip(figure.axes, played, strict=True):
        legend = [text.get_text() for text in panel.get_legend().get_texts()]
        assert f"generated ({one.scores['label'].sum()})" in legend
        assert panel.get_ylabel().endswith("(%)")


def test_curves_are_named_with_their_figures_and_the_threshold_stands_on_its_curve(played):
    roc, recall = roc_figure(played, "t").axes[0], recall_figure(played, "t").axes[0]
    for one in played:
        metrics = one.folds[0]["metrics"]
        assert f"{one.name} (AUC {metrics['auc']:.3f})" in roc.get_legend_handles_labels()[1]
        assert f"{one.name} (AP {metrics['average_precision']:.3f})" in recall.get_legend_handles_labels()[1]
    marked = {
        tuple(line.get_xydata()[0]) for line in recall.lines if line.get_marker() == "o" and len(line.get_xdata())
    }
    assert marked == {(one.folds[0]["metrics"]["recall"], one.folds[0]["metrics"]["precision"]) for one in played}


def test_confusion_counts_every_user_once(played):
    (panel,) = confusion_figure(played, "t").axes
    said = {text.get_position()[::-1]: text.get_text() for text in panel.texts}
    rows = [label.get_text() for label in panel.get_yticklabels()]
    for number, one in enumerate(played):
        top = 2 * number
        counts = np.array([[int(said[row, column].split()[0]) for column in (0, 1)] for row in (top, top + 1)])
        assert rows[top : top + 2] == [f"{one.name}: genuine", f"{one.name}: generated"]
        assert counts.sum() == len(one.scores)
        assert counts[1].sum() == one.scores["label"].sum()
        flagged = one.scores["score"] >= one.scores["threshold"]
        assert counts[1, 1] == (flagged & (one.scores["label"] == 1)).sum()
        assert said[top + 0.5, 1.6].endswith(f"F1 {one.folds[0]['metrics']['f1']:.3f}")


def test_folds_of_one_round_share_its_colour_and_its_line_in_the_legend():
    rounds = [played_in_parts("r1", 5), played_in_parts("r2", 5)]
    panel = roc_figure(rounds, "t").axes[0]
    names = panel.get_legend_handles_labels()[1]
    assert names == ["chance (0.500)", "r1 (AUC 0.750)", "r2 (AUC 0.750)"]
    assert len(panel.lines) == 11
    assert len({line.get_color() for line in panel.lines}) == 3


def test_scores_that_are_all_equal_are_drawn_too():
    figure = scores_figure([played_in_parts("r", 1, constant=True)], "t")
    assert sum(patch.get_path().get_extents().height for patch in figure.axes[0].patches) > 0


def test_the_most_important_features_are_drawn_highest_first():
    features = pd.DataFrame(
        {
            "level": "feature",
            "feature": [f"a:{n}" for n in range(30)],
            "family": "a",
            "importance": np.arange(30, 0, -1),
        }
    )
    family = pd.DataFrame({"level": ["family"], "feature": ["a"], "family": ["a"], "importance": [0.3]})
    left, right = importance_figure(pd.concat([family, features]), "r2", "t").axes
    assert [label.get_text() for label in left.get_yticklabels()] == [f"a:{n}" for n in range(TOP)]
    assert left.yaxis_inverted()  # the first bar stands on top
    assert [bar.get_width() for bar in right.patches] == [0.3]


@pytest.mark.slow
def test_parts_of_a_round_are_taken_together_and_plots_are_drawn_once(tiny_rounds, lab):
    one = read_rounds([tiny_rounds["r1"]], require_labels=True)
    said = []

    def run():
        return tune(
            one,
            detectors=["mahalanobis"],
            trials=1,
            jobs=1,
            store=lab,
            families=["profile"],
            report=lambda line, *_: said.append(line),
        )

    store, run_id = Store.open(lab), run().board.table["run_id"].iloc[0]
    (played,) = read_rounds_played(store, run_id)
    assert played.name == one[0].name
    assert len(played.folds) == len(played.curves) == 5
    assert len(played.scores) == one[0].ratings.n_users

    run()
    assert sum("plots" in line for line in said) == 1
    image = lab / "artifacts" / run_id / "artifacts" / "plots" / "scores.svg"
    drawn, time_drawn = image.read_bytes(), image.stat().st_mtime_ns
    log_plots(store, run_id)
    assert image.stat().st_mtime_ns > time_drawn
    assert image.read_bytes() == drawn
