"""Figures: which figures of a task are shown, where, and what they are called."""

from __future__ import annotations

from dataclasses import dataclass

from anomaly_lab.tasks.names import FAKE_USERS, IMPLICIT_RANKING, RATING_PREDICTION


@dataclass(frozen=True)
class Figures:
    """What is shown of a task's runs.

    Parameters
    ----------
    model : str
        What its models are called.
    measures : tuple of str
        Metrics of every run, the primary one first.
    further : tuple of str
        Metrics that only some runs have, or that say how a run went.
    compared : tuple of str
        Metrics drawn as bars.
    seen : tuple of str
        Parameters, beside the model, that tell runs apart.
    glossary : str
        What the metrics mean, as a Markdown list.
    """

    model: str
    measures: tuple[str, ...]
    further: tuple[str, ...]
    compared: tuple[str, ...]
    seen: tuple[str, ...]
    glossary: str


_DETECTORS = Figures(
    model="detector",
    measures=("auc", "f1", "precision", "recall", "average_precision"),
    further=("auc_in_round", "auc_forward", "optimism", "seconds"),
    compared=("auc", "f1", "average_precision", "auc_in_round"),
    seen=("families",),
    glossary="""\
* `auc`: area under the ROC curve, mean over the rounds asked; its 95 % interval is `auc_low` to `auc_high`.
* `f1`, `precision`, `recall`: at the threshold chosen in training. `f1_hindsight`: at the best one, an upper bound.
* `auc_in_round`: cross-validated within rounds; `optimism` = `auc_in_round` - `auc`.
* `auc_forward`: trained on earlier rounds only.
* `fold_auc`, `fold_f1`: one step a fold, in the order of the rounds.
""",
)

_RATINGS = Figures(
    model="recommender",
    measures=("rmse", "mae", "accuracy", "high_precision", "high_recall"),
    further=("epochs", "seconds"),
    compared=("rmse", "mae", "accuracy", "seconds"),
    seen=(),
    glossary="""\
* `rmse`: root mean squared error, mean over folds; its 95 % interval is `rmse_low` to `rmse_high`. `mae`: mean
  absolute error.
* `accuracy`: how often prediction and rating stand on the same side of the mean rating in training; `high_precision`
  and `high_recall` are of ratings from the mean on. The counts are the artifact `sides_of_mean.json`.
* `epoch_loss`, `epoch_validation`: one step an epoch, of the first fold. `fold_rmse`, `fold_mae`: one step a fold.
""",
)

_RANKINGS = Figures(
    model="recommender",
    measures=("auc", "ndcg", "hit_rate", "recall"),
    further=("epochs", "seconds"),
    compared=("auc", "ndcg", "hit_rate", "seconds"),
    seen=(),
    glossary="""\
* `auc`: each user's area under the ROC curve, held-out items against the other unseen ones, mean over users and folds;
  its 95 % interval is `auc_low` to `auc_high`.
* `ndcg`, `hit_rate`, `recall`: of the list of the first ten (or as many as the task was asked for).
* `epoch_loss`, `epoch_validation`: one step an epoch, of the first fold. `fold_auc`, `fold_ndcg`: one step a fold.
""",
)

_BY_TASK = {FAKE_USERS: _DETECTORS, RATING_PREDICTION: _RATINGS, IMPLICIT_RANKING: _RANKINGS}


def figures_of(task: str) -> Figures:
    """Return what is shown of a task's runs."""
    return _BY_TASK[task]
