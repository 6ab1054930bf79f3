"""Every built-in model passes every check; a model that breaks a rule is caught by the check of that rule."""

import pytest
from installing import install

from anomaly_lab.errors import ConfigError
from anomaly_lab.registry import MODELS
from anomaly_lab.tasks.names import RECOMMENDING
from anomaly_lab.testing import CHECKS, check_model, check_ranges

DETECTORS = [name for name in MODELS.built_in if MODELS.get(name).constant("task") not in RECOMMENDING]
SLOW_MODELS = ("random-forest", "isolation-forest", "seed-notebook", "next-round", "stacked")
CASES = [
    pytest.param(
        name,
        check,
        id=f"{name}-{check.__name__}",
        marks=[pytest.mark.slow] if name in SLOW_MODELS or check is check_ranges else [],
    )
    for name in DETECTORS
    for check in CHECKS
]


@pytest.mark.parametrize(("name", "check"), CASES)
def test_built_in_models_conform(name, check):
    check(name)


HEADER = '''
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar
import numpy as np
from optuna.distributions import FloatDistribution

class Own:
    """A type of its own."""

@dataclass
class Model:
    """Counts ratings."""
    task: ClassVar[str] = "fake-users"
    rate: Annotated[float, FloatDistribution(0.1, 10.0)] = 1.0
    def fit(self, train, *, rng):
        FIT
        return self
    def score(self, query):
        batch = query.ratings
        counts = np.bincount(batch.users, minlength=batch.n_users)
        scores = counts[query.users] * 1.0
        SCORE
        return scores
'''
KINDS = """    def score_kinds(self, query):
        return SAY
"""


def model(*, fit="pass", score="pass", **other):
    code = HEADER.replace("FIT", fit).replace("SCORE", score)
    for old, new in other.values():
        assert old in code
        code = code.replace(old, new)
    return code


BROKEN = {
    "summary": model(doc=("Counts ratings.", "counts ratings")),
    "parameters": model(default=("= 1.0", "= 11.0")),
    "task": model(task=("fake-users", "fake-news")),
    "scores": model(score="scores = scores[:-1]"),
    "seed": model(score="scores = scores + np.random.default_rng().uniform(size=len(scores))"),
    "parameters-kept": model(fit="self.rate = 2.0"),
    "user-names": model(
        score="pool = query.pool; scores = pool.batches[1].user_ids[pool.row_of[query.users]].astype(float)"
    ),
    "scales": model(fit="assert train.ratings.scale.unknown is None, 'unknown level'"),
    "few-labels": model(fit="assert train.labels.sum() > 1, 'one fake'"),
    "single-ratings": model(score="scores = np.where(counts[query.users] > 1, scores, np.nan)"),
    "unseen": model(
        fit="self.seen = set(train.ratings.items[np.isin(train.ratings.users, train.users)])",
        score="assert set(batch.items) <= self.seen, 'new item'",
    ),
    "ranges": model(fit="assert self.rate < 10, 'too fast'"),
    "kinds": model(kinds=("    def fit", KINDS.replace("SAY", "np.full((len(query.users), 3), 0.5)") + "    def fit")),
    "saving": model(fit="self.estimator_ = Own()"),
}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_caught_by_its_check(tmp_path, monkeypatch, rule):
    module = f"breaks_{rule.replace('-', '_')}"
    install(tmp_path, monkeypatch, module, BROKEN[rule], breaks="Model")
    outcome = check_model("breaks").set_index("check")
    assert not outcome.passed[rule]
    assert "\n" not in outcome.detail[rule]


def test_the_model_they_are_broken_from_passes(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, "sound", model(), sound="Model")
    outcome = check_model("sound")
    assert outcome.passed.all()
    assert list(outcome.columns) == ["check", "passed", "detail"]
    assert len(outcome) == len(CHECKS)


def test_a_model_that_scores_kinds_well_passes(tmp_path, monkeypatch):
    says = "np.full((len(query.users), 4), 0.25)"
    code = model(kinds=("    def fit", KINDS.replace("SAY", says) + "    def fit"))
    install(tmp_path, monkeypatch, "knows_kinds", code, knows="Model")
    outcome = check_model("knows").set_index("check")
    assert outcome.passed.all()
    assert not outcome.detail["kinds"].startswith("does not apply")


def test_checking_an_unknown_name_is_a_mistake_of_the_user():
    with pytest.raises(ConfigError, match="there is no model 'nobody'"):
        check_model("nobody")
