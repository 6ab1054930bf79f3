"""A study's proposals follow from the seed and the told values alone, whenever its driver dies."""

from dataclasses import dataclass
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from anomaly_lab.detectors.mahalanobis import MahalanobisDetector
from experiments.journal import open_journal
from experiments.study import BATCH, DetectorStudy, study_name


@dataclass
class Wide:
    """A model with room for any number of trials."""

    rate: Annotated[float, FloatDistribution(1e-3, 1.0, log=True)] = 0.1
    depth: Annotated[int, IntDistribution(1, 50)] = 5
    sort: Annotated[str, CategoricalDistribution(("a", "b", "c"))] = "b"
    fixed: int = 3


@dataclass
class Narrow:
    """A model with six choices."""

    sort: Annotated[str, CategoricalDistribution(("a", "b", "c"))] = "b"
    flag: Annotated[bool, CategoricalDistribution((True, False))] = False


@dataclass
class Nothing:
    """A model with nothing to choose."""

    fixed: int = 3


def value(params):
    """Return a made-up AUC, lower the farther from a best place."""
    return 1 / (1 + abs(params.get("depth", 1) - 30) + abs(params.get("rate", 0.5) - 0.5) + (params["sort"] == "a"))


def opened(path, model=Wide, n_trials=14, seed=0):
    return DetectorStudy("study", model, open_journal(path), seed=seed, n_trials=n_trials)


def finish(study, *, fails=()):
    """Run a study to its end as one driver would."""
    while batch := [*study.unfinished, *study.next_batch()]:
        for proposal in batch:
            tell(study, proposal, fails)
    return study


def tell(study, proposal, fails=()):
    if proposal.number in fails:
        study.tell_failed(proposal.number, "no luck")
    else:
        study.tell(proposal.number, {"auc": value(proposal.params), "f1": 0.0}, f"run {proposal.number}")


def told(study):
    return [(t.number, t.state.name, t.params, t.value) for t in study.trials]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A study of 14 trials that nobody disturbed, two of them failed, and its journal."""
    path = tmp_path_factory.mktemp("whole") / "optuna.journal"
    return told(finish(opened(path), fails={1, 6})), path.read_bytes()


def test_the_first_trial_is_the_defaults(tmp_path):
    first = opened(tmp_path / "j").next_batch()[0]
    assert first.number == 0
    assert first.params == {"rate": 0.1, "depth": 5, "sort": "b", "fixed": 3}


def test_no_two_trials_are_equal_and_numbers_have_no_gaps(whole):
    trials, _ = whole
    assert [number for number, *_ in trials] == list(range(14))
    assert len({repr(sorted(params.items())) for _, _, params, _ in trials}) == 14


def test_the_sampler_learns_from_what_it_is_told(tmp_path):
    trials = finish(opened(tmp_path / "j", n_trials=40)).trials
    early = [value(t.params) for t in trials[:8]]
    late = [value(t.params) for t in trials[-8:]]
    assert sum(late) > sum(early)


def test_another_seed_proposes_others(tmp_path):
    one, other = opened(tmp_path / "1"), opened(tmp_path / "2", seed=1)
    pairs = zip(one.next_batch(), other.next_batch(), strict=True)
    assert [left.params == right.params for left, right in pairs] == [True, False, False, False]


@given(data=st.data())
@settings(max_examples=8)
def test_the_order_in_which_trials_finish_changes_nothing(data, whole, tmp_path_factory):
    study = opened(tmp_path_factory.mktemp("order") / "j")
    while batch := study.next_batch():
        for proposal in data.draw(st.permutations(batch)):
            assert study.next_batch() == []  # nothing further is asked while a trial runs
            tell(study, proposal, fails={1, 6})
    assert told(study) == whole[0]


@given(data=st.data())
@settings(max_examples=20)
def test_a_study_killed_at_any_byte_of_its_journal_ends_as_if_it_had_not_been(data, whole, tmp_path_factory):
    trials, journal = whole
    path = tmp_path_factory.mktemp("killed") / "j"
    path.write_bytes(journal[: data.draw(st.integers(0, len(journal)))])
    assert told(finish(opened(path), fails={1, 6})) == trials


@pytest.mark.parametrize(
    "first", [pytest.param(first, marks=[] if first in {1, 6} else [pytest.mark.slow]) for first in range(1, 14)]
)
def test_asking_for_more_trials_later_is_asking_for_all_at_once(first, whole, tmp_path):
    finish(opened(tmp_path / "j", n_trials=first), fails={1, 6})
    assert told(finish(opened(tmp_path / "j"), fails={1, 6})) == whole[0]


def test_asking_for_fewer_trials_later_runs_none(tmp_path):
    path = tmp_path / "j"
    opened(path, n_trials=9).next_batch()
    fewer = opened(path, n_trials=2)
    assert [one.number for one in fewer.unfinished] == [0, 1]
    finish(fewer)
    assert len(fewer.finished) == 2
    assert fewer.next_batch() == []


@pytest.mark.parametrize(("model", "choices"), [(Narrow, 6), (Nothing, 1), (MahalanobisDetector, 9)])
def test_a_space_of_few_choices_ends_when_all_are_tried(model, choices, tmp_path):
    study = opened(tmp_path / "j", model, n_trials=20)
    while batch := study.next_batch():
        for proposal in batch:
            study.tell(proposal.number, {"auc": 0.5, "f1": 0.0}, "run")
    assert len(study.finished) == choices
    assert len({repr(t.params) for t in study.trials}) == choices
    reopened = opened(tmp_path / "j", model, n_trials=20)
    assert reopened.next_batch() == []


def test_the_best_is_the_earliest_of_equals_after_the_tie_breaker(tmp_path):
    study = opened(tmp_path / "j")
    assert study.best is None
    for proposal, auc, f1 in zip(study.next_batch(), (0.7, 0.9, 0.9, 0.9), (0.9, 0.2, 0.4, 0.4), strict=True):
        study.tell(proposal.number, {"auc": auc, "f1": f1}, f"run {proposal.number}")
    assert study.best.number == 2
    assert study.run_id(2) == "run 2"
    assert study.best.params["fixed"] == 3


def test_trials_whose_run_is_gone_are_left_out(tmp_path):
    study = opened(tmp_path / "j", n_trials=BATCH)
    finish(study)
    best = study.best.number
    assert study.leave_out({0, 1, 2, 3} - {best}) == {best}
    assert len(study.finished) == 3
    assert study.best.number != best
    assert study.unfinished == []


def test_a_failed_trial_keeps_its_reason(tmp_path):
    assert opened(tmp_path / "j").last_error is None
    finish(opened(tmp_path / "j", n_trials=4), fails={2})
    study = opened(tmp_path / "j", n_trials=4)
    assert study.last_error == "no luck"
    assert [t.number for t in study.finished] == [0, 1, 3]


def test_a_study_is_resumed_under_the_same_detector_question_families_and_seed_only():
    one = study_name("wide", Wide, "f00d" * 16, ("profile",), 0)
    assert one == study_name("wide", Wide, "f00d" * 16, ("profile",), 0)
    others = {
        study_name("wide", Wide, "beef" * 16, ("profile",), 0),
        study_name("wide", Wide, "f00d" * 16, ("profile", "seed"), 0),
        study_name("wide", Wide, "f00d" * 16, ("profile",), 1),
        study_name("wide", Narrow, "f00d" * 16, ("profile",), 0),
    }
    assert len(others) == 4
    assert one not in others


def test_mended_code_begins_a_new_study(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    names = []
    for module, verb in (("before_mending", "return 1"), ("after_mending", "return 2")):
        source = f"from dataclasses import dataclass\n\n\n@dataclass\nclass M:\n    def fit(self):\n        {verb}\n"
        (tmp_path / f"{module}.py").write_text(source)
        model = __import__(module).M
        names.append(study_name("m", model, "f00d" * 16, (), 0))
    assert names[0] != names[1]
