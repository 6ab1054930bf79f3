"""ADASYN that always has an answer."""

from __future__ import annotations

from typing import Any

from imblearn.over_sampling import ADASYN, SMOTE

from anomaly_lab.types import AnyArray


class AdaptiveSampler(ADASYN):  # type: ignore[misc]
    """ADASYN, or SMOTE where it has nothing to adapt to: no generated user has genuine neighbours."""

    def fit_resample(self, X: AnyArray, y: AnyArray, **params: Any) -> tuple[AnyArray, AnyArray]:
        """Return the balanced rows and their labels."""
        try:
            resampled: tuple[AnyArray, AnyArray] = super().fit_resample(X, y, **params)
        except (RuntimeError, ValueError):  # how imbalanced-learn says so
            smote = SMOTE(k_neighbors=self.n_neighbors, random_state=self.random_state)
            resampled = smote.fit_resample(X, y, **params)
        return resampled
