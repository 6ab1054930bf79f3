"""Notes: the descriptions that MLflow's UI shows of a question and of a study."""

from __future__ import annotations

from collections.abc import Mapping

from anomaly_lab.tasks.base import Task
from anomaly_lab.tasks.fake_users import FakeUsers
from anomaly_lab.tasks.question import Question
from tracking.figures import figures_of

NOTE = "mlflow.note.content"
"""MLflow's tag for the description of a run or an experiment, in Markdown."""


def question_note(question: Question) -> str:
    """Return the description of a question's experiment."""
    figures = figures_of(question.task.name)
    return f"""\
{_asked(question)}

Every run here answered this question, so their figures may be compared. *Views* (above, right) holds the best run of
each {figures.model}, every run, and each {figures.model}'s hyperparameters as parallel coordinates (second button,
*Chart view*). {_order(question.task)}

{figures.glossary}"""


def _order(task: Task) -> str:
    if task.name == FakeUsers.name:
        return (
            "The course's own order, in which F1 decides between runs of nearly one AUC, "
            "is that of `anomaly-lab leaderboard`."
        )
    return f"Ranked by `{task.primary.name}`: {task.primary.summary}."


def study_note(
    question: Question, detector: str, best: str, metrics: Mapping[str, float], n_trials: int, params: Mapping[str, str]
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
    metrics : mapping of str to float
        Of the best trial.
    n_trials : int
        Trials it was selected from.
    params : mapping of str to str
        Its hyperparameters.
    """
    primary = question.task.primary.name
    rows = "\n".join(f"| {name} | {value} |" for name, value in params.items())
    return f"""\
**{detector}**. {_asked(question)}

Best of {n_trials} trials: {best}, {primary.upper()} {metrics[primary]:.3f}. The figures below are its own; being
*selected* on this very question, they are optimistic.

| hyperparameter | value |
| --- | --- |
{rows}

{figures_of(question.task.name).glossary}"""


def _asked(question: Question) -> str:
    return f"**{question.title}**: {question.task.protocols[question.protocol]}."
