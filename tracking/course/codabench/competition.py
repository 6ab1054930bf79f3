"""Competition: what ``competition.yaml`` says, in the keys of Codabench's own unpacker (version 2 of the format)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from tracking.course.codabench.phases import Phase
from tracking.course.rules import NAMES, Rules

IMAGE = "codalab/codalab-legacy:py312"
TIME_LIMIT = 300
"""Seconds that one scoring may take."""
SCORING_PROGRAM = "scoring_program"
LOGO = "logo.png"
PAGES = {"Overview": "overview", "Data": "data", "Evaluation": "evaluation"}
TERMS = "terms"
BINARY = ("auc", "f1", "precision", "recall", "average_precision")
DIGITS = 4


def columns(rules: Rules) -> list[str]:
    """Return the figures of the board: what ranks first, what breaks its ties second.

    Codabench compares columns in this order, each exactly.
    """
    return list(dict.fromkeys((rules.metric, rules.tie_breaker, *BINARY)))


def competition(rules: Rules, phases: Sequence[Phase]) -> dict[str, Any]:
    """Return the content of ``competition.yaml``.

    Where the rules show figures on closing only, Codabench must not compute them before: it shows teams their own,
    whatever is hidden. Submissions then wait for the organiser to run or download them, and the board, one for all
    phases, is hidden. Detailed results are off with it, because every participant may read those of every other.

    Parameters
    ----------
    rules : Rules
        The course's.
    phases : sequence of Phase
        In their order.
    """
    at_once = rules.feedback == "at-once"
    return {
        "version": 2,
        "title": rules.title,
        "description": f"Find generated users in rating data: {len(phases)} rounds, ranked by {NAMES[rules.metric]}.",
        "image": LOGO,
        "terms": f"pages/{TERMS}.md",
        "docker_image": IMAGE,
        "registration_auto_approve": False,
        "auto_run_submissions": at_once,
        "enable_detailed_results": at_once,
        "show_detailed_results_in_leaderboard": False,
        "can_participants_make_submissions_public": False,
        "make_programs_available": False,
        "make_input_data_available": False,
        "pages": [{"title": title, "file": f"pages/{name}.md"} for title, name in PAGES.items()],
        "tasks": [_task(index, phase) for index, phase in enumerate(phases)],
        "solutions": [],
        "phases": [_phase(index, phase, rules) for index, phase in enumerate(phases)],
        "leaderboards": [_leaderboard(rules)],
    }


def reference_data(index: int) -> str:
    """Return the folder of a round's labels."""
    return f"reference_data_{index + 1}"


def public_data(index: int) -> str:
    """Return the zip of a round's batch."""
    return f"public_data_{index + 1}.zip"


def starting_kit(index: int) -> str:
    """Return the zip of a round's starting kit."""
    return f"starting_kit_{index + 1}.zip"


def _task(index: int, phase: Phase) -> dict[str, Any]:
    return {
        "index": index,
        "name": phase.name,
        "description": "Score every user of the round",
        "scoring_program": SCORING_PROGRAM,
        "reference_data": reference_data(index),
    }


def _phase(index: int, phase: Phase, rules: Rules) -> dict[str, Any]:
    data = {"public_data": public_data(index), "starting_kit": starting_kit(index)} if phase.with_data else {}
    return {
        "index": index,
        "name": phase.name,
        "description": "One anomaly score a user",  # how many users a later round has is not told before it begins
        "start": _moment(phase.start),
        "end": _moment(phase.end),
        "max_submissions": rules.per_round,
        "max_submissions_per_day": rules.per_round,  # left out, it would be Codabench's own five
        "execution_time_limit": TIME_LIMIT,
        "hide_output": False,  # refusals are read there
        "hide_score_output": rules.feedback != "at-once",
        **data,
        "tasks": [index],
    }


def _leaderboard(rules: Rules) -> dict[str, Any]:
    return {
        "title": "Results",
        "key": "results",
        "submission_rule": "Force_Best" if rules.counts == "best" else "Force_Last",
        "hidden": rules.feedback != "at-once",
        "primary_index": 0,
        "columns": [
            {"title": _heading(name), "key": name, "index": index, "sorting": "desc", "precision": DIGITS}
            for index, name in enumerate(columns(rules))
        ],
    }


def _heading(name: str) -> str:
    return NAMES[name][0].upper() + NAMES[name][1:]


def _moment(when: datetime) -> str:
    """Return a time as text: Codabench sets a date that YAML recognises as one to midnight."""
    return f"{when:%Y-%m-%d %H:%M:%S}"
