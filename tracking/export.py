"""Export: the best run refitted on all labelled rounds, and its scores in the form the course wants."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from anomaly_lab.detectors.champion import CalibratedDetector
from anomaly_lab.errors import ConfigError
from anomaly_lab.evaluation.class_scores import name_kinds
from anomaly_lab.evaluation.drift import MIN_USERS, unusual
from anomaly_lab.evaluation.drift_words import warnings
from anomaly_lab.evaluation.expect import Expectation
from anomaly_lab.evaluation.refit import Refit, refit
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.readers import read_rounds
from anomaly_lab.registry import DEFAULT_FAMILIES
from anomaly_lab.tasks.question import Question
from anomaly_lab.types import FloatArray
from tracking.champion import UnsafeModelError, mark_refit_only, register
from tracking.expectation import as_json, expect_run, in_words, log_expectation
from tracking.forms import THRESHOLD, Form, choose_form, threshold_notes
from tracking.manifest import file_digest, hand_in
from tracking.rebuild import choose_run, is_inductive, recipe
from tracking.reopen import recorded_rounds, reopen
from tracking.spec import versions
from tracking.store import DEFAULT_FOLDER, PREFIX, Store

if TYPE_CHECKING:
    from mlflow.entities import Run

UNLIKE_TRAINING = 3.0
"""A share of flagged users this many times the share of fakes in training, or one such part of it, is worth a word."""


@dataclass(frozen=True, eq=False)
class Exported:
    """A hand-in, written and verified.

    Parameters
    ----------
    path : Path
        The hand-in.
    manifest : Path
        The file beside it that says whose scores it holds and where they come from.
    table : DataFrame
        ``user``, ascending, ``score`` in [0, 1] and ``flagged`` (score at least 0.5).
    run_id : str
        The run that was refitted.
    champion : str or None
        Version of the registered model; None where it cannot be saved safely (the notes say why).
    notes : list of str
        What to know before handing it in.
    """

    path: Path
    manifest: Path
    table: pd.DataFrame
    run_id: str
    champion: str | None
    notes: list[str]


def export(
    batch: str | Path,
    out: str | Path,
    *,
    store: str | Path = DEFAULT_FOLDER,
    run: str | None = None,
    question: str | None = None,
    form: str | None = None,
    key: str | None = None,
    flag_rate: float | None = None,
    rounds: Sequence[str | Path] | None = None,
    features: str | Path | None = None,
    columns: Mapping[str, str] | None = None,
) -> Exported:
    """Refit the best run on all labelled rounds, score a batch, and write, re-read and verify the hand-in.

    Parameters
    ----------
    batch : path-like
        The ratings to score; labels in the file are not looked at.
    out : path-like
        The hand-in: ``.npz``, ``.npy``, ``.csv`` or ``.zip``. Its folder is made if need be.
    store : path-like
        Folder of the lab.
    run : str, optional
        Beginning of a run's id; the leader of the board by default.
    question : str, optional
        Beginning of the fingerprint of the board's question; the newest by default.
    form, key : str, optional
        See `tracking.forms.choose_form`.
    flag_rate : float, optional
        Share of users to flag, in (0, 1), instead of the threshold chosen in training.
    rounds : sequence of path-like, optional
        Where the labelled rounds are now, if they have been moved.
    features : path-like, optional
        The team's own features, with a row for every user of the batch; by default the file the run saw.
    columns : mapping of str to str, optional
        Columns of tables, as in `anomaly_lab.ratings.readers.read_rounds`.

    Raises
    ------
    ConfigError
        If the form does not fit the file, or asks for class scores where no label names a kind, the file is one of
        those read, or the flag rate lies outside (0, 1).
    StoreError
        If there is no such run, it was recorded from a file, or its rounds are not what they were.
    DataError
        If the batch cannot be read on the run's scale, is one of the labelled rounds, or the hand-in cannot be written.
    """
    out = Path(out)
    chosen_form = choose_form(out, form, key)
    if flag_rate is not None and not 0 < flag_rate < 1:
        raise ConfigError(f"--flag-rate must lie between 0 and 1, found {flag_rate:g}")
    opened = Store.open(store)
    chosen, notes = choose_run(opened, run, question)
    cache = opened.rating_cache
    asked = reopen(chosen, rounds, columns=columns, cache=cache)
    _keep_inputs(out, [batch, *(str(one.path) for one in asked.rounds)])
    target = read_rounds([batch], scale=asked.rounds[0].ratings.scale, columns=columns, cache=cache)[0]
    _require_kinds(chosen_form, asked)
    fitted, more = _refit(opened, chosen, asked, target, features, flag_rate, chosen_form.per_class)
    table = pd.DataFrame({"user": fitted.user_ids, "score": fitted.scores, "flagged": fitted.scores >= THRESHOLD})
    apart, further = _drift(opened, asked, target)
    notes += more + _notes(table, asked, target, flag_rate) + further
    expected = expect_run(opened, chosen)
    notes += [f"to be expected on {target.name}: {in_words(expected)}"] if expected is not None else []
    facts = _facts(chosen, asked, target, fitted, table, chosen_form, flag_rate)
    facts |= {"drift": apart, "expected": as_json(expected)}
    handed_in = fitted.scores if fitted.class_scores is None else fitted.class_scores
    manifest = hand_in(out, fitted.user_ids, handed_in, chosen_form, facts | _classes(handed_in))
    version, more = _remember(opened, chosen, fitted, target, out, manifest, expected)
    return Exported(out, manifest, table, chosen.info.run_id, version, notes + more)


def _keep_inputs(out: Path, inputs: Sequence[str | Path]) -> None:
    for path in inputs:
        if Path(path).resolve() == out.resolve():
            raise ConfigError(f"--out must not be a file that is read, found {out}; give another name")


def _require_kinds(form: Form, asked: Question) -> None:
    if form.per_class and not name_kinds(asked.rounds):
        raise ConfigError(
            f"--form {form.name} needs training labels that name kinds, found 0 and 1 only in "
            f"{' + '.join(one.name for one in asked.rounds)}; choose a --form of one score a user"
        )


def _classes(handed_in: FloatArray) -> dict[str, list[str]]:
    """Return what the manifest says of the columns of class scores."""
    if handed_in.ndim == 1:
        return {}
    return {"classes": ["genuine", *(f"kind {kind}" for kind in range(1, handed_in.shape[1]))]}


def _refit(
    store: Store,
    run: Run,
    asked: Question,
    target: Round,
    features: str | Path | None,
    flag_rate: float | None,
    kinds: bool,
) -> tuple[Refit, list[str]]:
    made, notes = recipe(store, run, features)
    fitted = refit(
        made.name,
        made.model,
        made.params,
        asked.rounds,
        target.ratings,
        made.features,
        seed=made.seed,
        flag_rate=flag_rate,
        kinds=kinds,
    )
    return fitted, notes


def _notes(table: pd.DataFrame, asked: Question, target: Round, flag_rate: float | None) -> list[str]:
    notes = []
    if target.labels is not None:
        notes.append(f"{target.path} holds labels; they were not looked at")
    notes += threshold_notes(table["score"].to_numpy())
    if flag_rate is None:
        trained = float(np.mean([one.labels.fake.mean() for one in asked.rounds if one.labels is not None]))
        notes += unlike_training(float(table["flagged"].mean()), trained)
    return notes


def _drift(store: Store, asked: Question, target: Round) -> tuple[dict[str, Any] | None, list[str]]:
    """Return how far the batch is from the training rounds, and a warning if that is far more than usual.

    None for batches too small to say.
    """
    batches = [one.ratings for one in (*asked.rounds, target)]
    if min(batch.n_users for batch in batches) < MIN_USERS:
        return None, []
    seen = FeatureStore(DEFAULT_FAMILIES, store.feature_cache)
    told_apart, levels = unusual(batches[-1], batches[:-1], seen)
    return {"told_apart": asdict(told_apart), "levels": asdict(levels)}, warnings(told_apart, levels)


def unlike_training(share: float, trained: float) -> list[str]:
    """Return a warning if the share of flagged users is far from that of generated users in training."""
    if share in {0.0, 1.0} or 1 / UNLIKE_TRAINING < share / trained < UNLIKE_TRAINING:
        return []
    return [
        f"0.5 flags {share:.1%} of users, where {trained:.1%} were generated in training; "
        "if that cannot be, set a share with --flag-rate"
    ]


def _facts(
    run: Run,
    asked: Question,
    target: Round,
    fitted: Refit,
    table: pd.DataFrame,
    form: Form,
    flag_rate: float | None,
) -> dict[str, Any]:
    """Return what the manifest says of where the scores come from."""
    tags = run.data.tags
    return {
        "form": form.name,
        "key": form.key,
        "run": run.info.run_id,
        "detector": tags[PREFIX + "detector"],
        "params": dict(run.data.params),
        "seed": int(tags[PREFIX + "seed"]),
        "inductive": is_inductive(run),
        "question": {"fingerprint": asked.fingerprint, "title": asked.title},
        "rounds": recorded_rounds(run),
        "batch": {"path": str(Path(str(target.path)).absolute()), "ratings": target.ratings.digest},
        "threshold": fitted.threshold,
        "scale": fitted.scale,
        "flag_rate": flag_rate,
        "flagged": int(table["flagged"].sum()),
        "versions": json.loads(versions()),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _remember(
    store: Store, run: Run, fitted: Refit, target: Round, out: Path, manifest: Path, expected: Expectation | None
) -> tuple[str | None, list[str]]:
    """Keep the hand-in and what is expected of it with its run and register the model.

    Return its version, or a note why there is none.

    The hand-in stands by now, and a store that fails on the last evening must not keep anyone from sending it in.
    """
    from mlflow.exceptions import MlflowException

    try:
        log_expectation(store, run, expected)
        for file in (out, manifest):
            store.client.log_artifact(run.info.run_id, str(file), f"export/{target.ratings.digest[:10]}")
        return _register(store, run, fitted, {"batch": target.ratings.digest, "scores": file_digest(out)}), []
    except UnsafeModelError as error:
        mark_refit_only(store, run.info.run_id, str(error))
        return None, [f"no model is registered, the run can be refitted only: {error}"]
    except (MlflowException, OSError) as error:
        return None, [f"the hand-in is written, but could not be kept with its run: {error}"]


def _register(store: Store, run: Run, fitted: Refit, tags: Mapping[str, str]) -> str:
    if fitted.class_scores is not None:
        raise UnsafeModelError("class scores come from the detector and a classifier of kinds, which is not saved")
    if fitted.features is None:
        raise UnsafeModelError("the detector reads ratings, not a feature matrix")
    model = CalibratedDetector(fitted.model, fitted.threshold, fitted.scale)
    known = {key: run.data.tags[PREFIX + key] for key in ("detector", "question")}
    known["inductive"] = str(is_inductive(run)).lower()
    return register(store, run.info.run_id, model, fitted.features.names, tags={**known, **tags})
