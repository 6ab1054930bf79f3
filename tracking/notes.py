"""Notes: the descriptions that MLflow's UI shows of a question and of a study."""

from __future__ import annotations

from collections.abc import Mapping

from anomaly_lab.tasks.fake_users import PROTOCOLS
from anomaly_lab.tasks.question import Question

NOTE = "mlflow.note.content"
"""MLflow's tag for the description of a run or an experiment, in Markdown."""

GLOSSARY = """\
* `auc`: area under the ROC curve, mean over the rounds asked; its 95 % interval is `auc_low` to `auc_high`.
* `f1`, `precision`, `recall`: at the threshold chosen in training. `f1_hindsight`: at the best one, an upper bound.
* `auc_in_round`: cross-validated within rounds; `optimism` = `auc_in_round` - `auc`.
* `auc_forward`: trained on earlier rounds only.
* `fold_auc`, `fold_f1`: one step a fold, in the order of the rounds.
"""


def question_note(question: Question) -> str:
    """Return the description of a question's experiment."""
    return f"""\
{_asked(question)}

Every run here answered this question, so their figures may be compared. *Views* (above, right) holds the best run of
each detector, every run, and each detector's hyperparameters as parallel coordinates (second button, *Chart view*).
The course's own order, in which F1 decides between runs of nearly one AUC, is that of `anomaly-lab leaderboard`.

{GLOSSARY}"""


def study_note(
    question: Question, detector: str, best: str, auc: float, n_trials: int, params: Mapping[str, str]
) -> str:
    """Return the description of a study's parent run.

    Parameters
    ----------
    question : Question
        What it answers.
    detector : str
        Registered name.
    best : str
        Markdown link to the best trial.
    auc : float
        Of the best trial.
    n_trials : int
        Trials it was selected from.
    params : mapping of str to str
        Its hyperparameters.
    """
    rows = "\n".join(f"| {name} | {value} |" for name, value in params.items())
    return f"""\
**{detector}**. {_asked(question)}

Best of {n_trials} trials: {best}, AUC {auc:.3f}. The figures below are its own; being *selected* on this very question,
they are optimistic.

| hyperparameter | value |
| --- | --- |
{rows}

{GLOSSARY}"""


def _asked(question: Question) -> str:
    return f"**{question.title}**: {PROTOCOLS[question.protocol]}."
