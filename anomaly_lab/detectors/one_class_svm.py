"""One-class support vector machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from optuna.distributions import FloatDistribution

from anomaly_lab.detectors.base import NoveltyDetector

EXACT_ROWS = 5_000
DESCENT_ROWS = 100_000
N_COMPONENTS = 100


@dataclass
class OneClassSVMDetector(NoveltyDetector):
    """One-class SVM with a Gaussian kernel (Schölkopf et al., 2001).

    Beyond `EXACT_ROWS` users the kernel is approximated by 100 of them (Nyström; Williams and Seeger, 2001) and the
    machine is fitted by stochastic gradient descent, on `DESCENT_ROWS` drawn by lot at most: time then grows with the
    users, not with their square.
    """

    reference_rows: ClassVar[int | None] = DESCENT_ROWS
    exact_rows: ClassVar[int | None] = EXACT_ROWS

    nu: Annotated[float, FloatDistribution(0.01, 0.9)] = 0.5
    gamma: Annotated[float, FloatDistribution(1e-3, 0.3, log=True)] = 0.01

    def build(self, seed: int, n_rows: int) -> Any:
        """Return the machine; the exact one draws nothing at random."""
        from sklearn.kernel_approximation import Nystroem
        from sklearn.linear_model import SGDOneClassSVM
        from sklearn.pipeline import make_pipeline
        from sklearn.svm import OneClassSVM

        if n_rows > EXACT_ROWS:
            kernel = Nystroem(gamma=self.gamma, n_components=N_COMPONENTS, random_state=seed)
            return make_pipeline(kernel, SGDOneClassSVM(nu=self.nu, random_state=seed))
        return OneClassSVM(nu=self.nu, gamma=self.gamma)
