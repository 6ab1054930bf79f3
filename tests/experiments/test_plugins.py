"""Detectors that misbehave: what fails says so, and nothing else is harmed."""

import pytest
from lab_helpers import FAMILIES, facts, install, study_runs, trial_runs

from anomaly_lab.errors import ConfigError, LabError, PluginError, StoreError
from experiments.choose import choose_detectors
from experiments.tune import tune

pytestmark = pytest.mark.usefixtures("plugins")


def errors(store):
    return {
        (run.data.tags["lab.detector"], run.data.tags["lab.trial"]): run.data.tags["lab.error"]
        for run in trial_runs(store)
        if run.info.status == "FAILED"
    }


MISBEHAVING = {
    "raises": "ValueError: no luck today [/bold]",
    "exits": "SystemExit: 3",
    "gives-nan": "gives-nan.score must return finite numbers, found 50 that are not",
    "gives-matrix": (
        "gives-matrix.score must return one number a query user, shape (50,), found float64 of shape (50, 2)"
    ),
}


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.slow
def test_failed_trials_say_why_and_leave_other_detectors_alone(jobs, rounds, fresh_store):
    lines = []
    result = tune(
        rounds,
        detectors=[*MISBEHAVING, "counts"],
        trials=2,
        jobs=jobs,
        store=fresh_store,
        families=FAMILIES,
        report=lambda line, done, total: lines.append((line, done, total)),
    )
    assert result.failures == MISBEHAVING
    assert errors(fresh_store) == {(name, str(n)): text for name, text in MISBEHAVING.items() for n in range(2)}
    assert list(result.board.table["detector"]) == ["counts"]
    assert {run.data.tags["lab.origin"] for run in trial_runs(fresh_store)} == {"lab-test-plugins"}
    assert ("raises 0: failed: ValueError: no luck today [/bold]") in [line for line, _, _ in lines]
    assert lines[-1][1:] == (10, 10)
    assert {run.info.status for run in study_runs(fresh_store)} == {"FINISHED"}


@pytest.mark.slow
def test_failed_trials_are_not_run_again_and_still_told(rounds, fresh_store):
    for _ in range(2):
        result = tune(rounds, detectors=["raises-sometimes"], trials=4, jobs=1, store=fresh_store, families=FAMILIES)
        assert result.failures == {"raises-sometimes": "ValueError: only 1.0 will do"}
        assert [facts(fresh_store)["raises-sometimes", number][0] for number in range(4)] == [
            "FINISHED",
            *["FAILED"] * 3,
        ]
        assert result.board.table["runs"].tolist() == [1]


def test_a_tune_without_one_finished_trial_says_why(rounds, fresh_store):
    with pytest.raises(StoreError, match=r"found that all failed: raises: ValueError: no luck today \[/bold\]"):
        tune(rounds, detectors=["raises"], trials=1, jobs=1, store=fresh_store, families=FAMILIES)
    assert {run.info.status for run in study_runs(fresh_store)} == {"FINISHED"}


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_tune_in_one_line_and_keeps_what_is_finished(rounds, fresh_store):
    with pytest.raises(LabError, match="a worker process died, perhaps for want of memory; what is finished is kept"):
        tune(rounds, detectors=["counts", "dies"], trials=1, jobs=2, store=fresh_store, families=FAMILIES)
    assert {run.info.status for run in study_runs(fresh_store)} == {"KILLED"}
    assert "RUNNING" not in {run.info.status for run in trial_runs(fresh_store)}
    assert not tune(rounds, detectors=["counts"], trials=1, jobs=2, store=fresh_store, families=FAMILIES).interrupted


BROKEN = {
    "broken-import": "OSError: no licence server; mend or uninstall it",
    "no-default": "'depth' has a search range and must have a default, found none",
    "default-outside": r"a default must lie in its own range, found: .*depth must lie in \[1, 5\], found 9",
    "no-dataclass": "it must be a dataclass whose annotations can be read, found TypeError",
}


@pytest.mark.parametrize(("name", "message"), BROKEN.items())
def test_a_broken_plugin_asked_for_by_name_is_refused(name, message, rounds, tmp_path):
    with pytest.raises(PluginError, match=message):
        tune(rounds, detectors=["counts", name], store=tmp_path / "lab")
    assert not (tmp_path / "lab").exists()


def test_among_all_detectors_broken_ones_are_left_out_with_a_word(rounds):
    chosen, lines = choose_detectors(None, "fake-users")
    assert "counts" in chosen
    assert "mahalanobis" in chosen
    assert "stacked" not in chosen  # costs as much as its members together
    assert "stacked" in choose_detectors(["stacked"], "fake-users")[0]
    assert not set(chosen) & {*BROKEN, "other-task"}
    assert len(lines) == len(BROKEN)
    assert all(line.startswith("left out: '") for line in lines)
    assert {line.split("'")[1] for line in lines} == set(BROKEN)


def test_a_detector_of_another_task_is_refused_by_name():
    with pytest.raises(ConfigError, match="'other-task' must answer task fake-users to be tuned here, found rating-pr"):
        choose_detectors(["other-task"], "fake-users")


def test_two_plugins_of_one_name_are_an_error_naming_both(tmp_path, monkeypatch):
    site = install(tmp_path / "second", {"mahalanobis": "misbehaving:Counts"})
    monkeypatch.syspath_prepend(str(site))
    with pytest.raises(
        PluginError, match=r"'mahalanobis': anomaly_lab\.detectors\.mahalanobis:.* and misbehaving:Counts"
    ):
        choose_detectors(["mahalanobis"], "fake-users")
