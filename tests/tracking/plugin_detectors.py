"""Detectors as a plugin brings them, for the tests of the champion."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from anomaly_lab.detectors.base import EstimatorDetector


@dataclass
class RatingCount:
    """Users with few ratings look fake; reads ratings itself, not features."""

    task: ClassVar[str] = "fake-users"
    kind: ClassVar[str] = "unsupervised"

    def fit(self, train, *, rng):
        return self

    def score(self, query):
        return -np.diff(query.ratings.indptr)[query.users].astype(float)


class Centre:
    """An estimator of the plugin's own, which no list of ours names."""

    def __init__(self, centre):
        self.centre = centre


@dataclass
class Unnamed(EstimatorDetector):
    """Distance from the middle, its estimator not declared."""

    kind: ClassVar[str] = "unsupervised"

    def fit_matrix(self, matrix, train, *, seed):
        self.estimator_ = Centre(np.median(matrix, axis=0))

    def score_rows(self, rows):
        return np.abs(rows - self.estimator_.centre).sum(axis=1).astype(float)


@dataclass
class Named(Unnamed):
    """The same, declared."""

    trusted_types: ClassVar[tuple[str, ...]] = ("plugin_detectors.Centre",)
