"""Again: a recorded run's folds fitted once more, to explain users by the very model that scored them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from anomaly_lab.detectors.champion import CalibratedDetector
from anomaly_lab.evaluation.engine import fit_and_score, query_ids
from anomaly_lab.evaluation.evidence import neighbours, strangers, unlikely_ratings
from anomaly_lab.evaluation.explain import Contributions, contributions
from anomaly_lab.evaluation.folds import Fold
from anomaly_lab.evaluation.stopwatch import Stopwatch
from anomaly_lab.evaluation.user_map import user_map
from anomaly_lab.tasks.question import Question
from tracking.rebuild import Recipe, recipe
from tracking.reopen import reopen
from tracking.report.failures import Example, Explained
from tracking.report.recorded import Recorded

if TYPE_CHECKING:
    from anomaly_lab.evaluation.engine import Model

DRAWN = 3000
"""Users on a map, at most: more take minutes to place and hide each other."""


@dataclass(frozen=True, eq=False)
class Again:
    """A recorded run, ready to be run again.

    Parameters
    ----------
    question : Question
        What it answered, read again.
    made : Recipe
        What it was made of.
    """

    question: Question
    made: Recipe

    @cached_property
    def folds(self) -> list[Fold]:
        """The question's folds, in their order."""
        return list(self.question.folds())

    @classmethod
    def of(
        cls,
        lab: Recorded,
        rounds: Sequence[str | Path] | None = None,
        features: str | Path | None = None,
        columns: Mapping[str, str] | None = None,
    ) -> Again:
        """Return the reported run.

        Parameters
        ----------
        lab : Recorded
            The report's lab.
        rounds, features, columns
            As for `tracking.export.export`.

        Raises
        ------
        LabError
            If its rounds, features or detector are not what they were.
        """
        question = reopen(lab.mine.run, rounds, columns=columns, cache=lab.store.rating_cache)
        return cls(question, recipe(lab.store, lab.mine.run, features)[0])

    def kinds(self) -> dict[str, dict[str, int]]:
        """Return how each user was generated, by round and id as text, of rounds whose labels name kinds."""
        return {
            one.name: dict(zip(one.ratings.user_ids.astype(str).tolist(), one.labels.kinds.tolist(), strict=True))
            for one in self.question.rounds
            if one.labels is not None and one.labels.kinds is not None
        }

    def explain(self, examples: Sequence[Example], lab: Recorded) -> tuple[list[Explained], dict[str, float]]:
        """Return why users have their scores, and how far these are from the recorded ones by fold.

        Parameters
        ----------
        examples : sequence of Example
            Users of the question's rounds.
        lab : Recorded
            The recorded scores.
        """
        found: dict[Example, Explained] = {}
        agreement: dict[str, float] = {}
        scored = pd.concat([one.scores for one in lab.mine.rounds])
        for number, fold in enumerate(self.folds):
            users = {user: place for place, user in enumerate(query_ids(fold).astype(str).tolist())}
            wanted = [one for one in examples if one.round == fold.name.partition("/")[0] and one.user in users]
            if not wanted:
                continue
            fitted, scores = self._fit(number)
            recorded = scored[scored["fold"] == fold.name].set_index("user")
            there = recorded["score"].reindex(list(users)).to_numpy()
            agreement[fold.name] = float(np.abs(scores - there).max())
            calibrated = self._calibrated(fitted, lab, fold.name)
            for one in wanted:
                found[one] = self._explained(one, fold, calibrated, users[one.user])
        return [found[one] for one in examples if one in found], agreement

    def places(self, lab: Recorded) -> pd.DataFrame:
        """Return a map of the query users; see `tracking.report.users.users_section`."""
        matrices, about = [], []
        for fold in self.folds:
            everyone = self.made.features.matrix(fold.pool, fold.visible, getattr(self.made.model, "families", None))
            matrices.append(everyone.matrix[fold.query])
            about.append(pd.DataFrame({"fold": fold.name, "user": query_ids(fold).astype(str)}))
        users = pd.concat(about, ignore_index=True).merge(lab.mine.scored(), on=["fold", "user"], validate="one_to_one")
        kept = np.sort(np.random.default_rng(0).permutation(len(users))[:DRAWN])
        places = user_map(np.vstack(matrices)[kept])
        return users.iloc[kept].assign(x=places[:, 0], y=places[:, 1]).reset_index(drop=True)

    def _fit(self, number: int) -> tuple[Model, np.ndarray]:
        made = self.made
        with threadpool_limits(1):
            return fit_and_score(
                made.name,
                made.model,
                made.params,
                self.folds[number],
                made.features,
                [made.seed, number, 0],
                Stopwatch(),
            )

    def _calibrated(self, fitted: Model, lab: Recorded, fold: str) -> CalibratedDetector | None:
        """Return the model with its fold's recorded threshold; None for one that reads ratings itself."""
        if not hasattr(fitted, "score_matrix"):
            return None
        facts = next(one for played in lab.mine.rounds for one in played.folds if one["name"] == fold)
        return CalibratedDetector(fitted, facts["threshold"], facts["scale"])

    def _explained(self, one: Example, fold: Fold, model: CalibratedDetector | None, place: int) -> Explained:
        position = int(fold.query[place])
        return Explained(
            example=one,
            contributions=None if model is None else self._contributions(fold, model, position),
            ratings=unlikely_ratings(fold.pool, fold.visible, position),
            strangers=strangers(fold.pool, fold.visible, position),
            neighbours=neighbours(fold.pool, fold.visible, position),
        )

    def _contributions(self, fold: Fold, model: CalibratedDetector, position: int) -> Contributions:
        everyone = self.made.features.matrix(fold.pool, fold.visible, getattr(self.made.model, "families", None))
        genuine = everyone.matrix[fold.visible == 0]
        with threadpool_limits(1):
            return contributions(model.score_matrix, everyone.matrix[position], genuine, everyone.names)
