"""Every built-in recommender passes every check; one that breaks a rule is caught by the check of that rule."""

import pytest

from anomaly_lab.recommender_checks import RECOMMENDER_CHECKS, check_ranges
from anomaly_lab.registry import MODELS
from anomaly_lab.tasks.names import RECOMMENDING
from anomaly_lab.testing import check_model, check_parameters, check_summary

NEURAL = [name for name in MODELS.built_in if MODELS.get(name).constant("extra") == "neural"]
SLOW_MODELS = (*NEURAL, "bayesian-mf")
CASES = [
    pytest.param(
        name,
        check,
        id=f"{name}-{check.__name__}",
        marks=[pytest.mark.slow] if name in SLOW_MODELS or check is check_ranges else [],
    )
    for name in MODELS.built_in
    if MODELS.get(name).constant("task") in RECOMMENDING
    for check in (check_summary, check_parameters, *RECOMMENDER_CHECKS)
]


@pytest.mark.parametrize(("name", "check"), CASES)
def test_built_in_recommenders_conform(name, check):
    if name in NEURAL:
        pytest.importorskip("jax", reason="extra neural is not installed: pip install 'anomaly-lab[neural]'")
    check(name)


CODE = '''
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar
import numpy as np
from optuna.distributions import FloatDistribution
from anomaly_lab.recommenders.base import Recommender

@dataclass
class Model(Recommender):
    """Mean rating of each item."""
    task: ClassVar[str] = "rating-prediction"
    rate: Annotated[float, FloatDistribution(0.1, 10.0)] = 1.0
    means_: Any = field(init=False, repr=False, default=None)
    def fit(self, train, *, rng):
        known = train.known
        self.n_items_ = known.n_items
        sums = np.bincount(known.items, known.values, minlength=known.n_items)
        self.means_ = (sums + known.mean) / (known.item_counts + 1.0)
        FIT
        return self
    def predict(self, users, items):
        said = self.means_[items]
        SAY
        return said
'''
BROKEN = {
    "summary": ("Mean rating of each item.", "mean rating"),
    "parameters": ("= 1.0\n", "= 11.0\n"),
    "task": ("rating-prediction", "rating-guessing"),
    "answers": ("SAY", "said = np.where(users == 3, np.nan, said)"),
    "seed": ("SAY", "said = said + np.random.default_rng().uniform(size=len(said))"),
    "parameters-kept": ("FIT", "self.rate = 2.0"),
    "strangers": ("FIT", "assert known.item_counts.min() > 0, 'no rating'"),
    "scales": ("FIT", "assert known.high <= 5, 'too high'"),
    "ranges": ("FIT", "assert self.rate < 10, 'too fast'"),
}


def code(old="FIT", new="pass"):
    assert old in CODE
    return CODE.replace(old, new).replace("FIT", "pass").replace("SAY", "pass")


@pytest.mark.parametrize("rule", BROKEN)
def test_a_broken_rule_is_caught_by_its_check(install_plugin, rule):
    install_plugin(f"recommender_{rule.replace('-', '_')}", code(*BROKEN[rule]), breaks="Model")
    outcome = check_model("breaks").set_index("check")
    assert not outcome.passed[rule]
    assert "\n" not in outcome.detail[rule]


def test_the_recommender_they_are_broken_from_passes(install_plugin):
    install_plugin("sound_recommender", code(), sound="Model")
    outcome = check_model("sound")
    assert outcome.passed.all(), outcome


def test_what_is_not_saved_is_caught(install_plugin):
    forgets = CODE.replace("means_: Any = field(init=False, repr=False, default=None)", "").replace("means_", "means")
    install_plugin("forgetful", forgets.replace("FIT", "pass").replace("SAY", "pass"), forgets="Model")
    assert not check_model("forgets").set_index("check").passed["saving"]
