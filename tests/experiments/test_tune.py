"""A tune's trials, runs and board follow from its arguments alone, whatever the number of workers."""

import time

import pytest
from lab_helpers import board, facts, run_ids, study_runs, trial_runs, tuned

from anomaly_lab.errors import ConfigError, DataError, LabError, StoreError
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.registry import MODELS
from anomaly_lab.space import defaults
from anomaly_lab.tasks.names import RECOMMENDING
from anomaly_lab.tasks.question import Question
from experiments.choose import choose_seeing
from experiments.driver import Driver
from experiments.tune import tune
from experiments.workbench import Workbench
from tracking.leaderboard import leaderboard
from tracking.store import Store

DETECTORS = ("mahalanobis", "knn-distance")
TRIALS = 6
BUILT_IN = [name for name in MODELS.built_in if MODELS.get(name).constant("task") not in RECOMMENDING]


@pytest.mark.slow
def test_two_workers_leave_the_trials_and_the_board_of_one(rounds, reference, fresh_store):
    result = tuned(rounds, fresh_store, jobs=2)
    assert facts(fresh_store) == facts(reference[0])
    assert board(result) == board(reference[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("names", "trials"),
    [(BUILT_IN, 2), (["knn-distance", "random-forest", "logistic-regression"], 11)],
    ids=["every detector", "trials the sampler has learnt for"],
)
def test_three_workers_leave_the_trials_and_the_board_of_one(names, trials, rounds, new_store):
    one = tuned(rounds, new_store("one"), jobs=1, detectors=names, trials=trials, families=None)
    three = tuned(rounds, new_store("three"), jobs=3, detectors=names, trials=trials, families=None)
    assert facts(one.board.table["store"].iloc[0]) == facts(three.board.table["store"].iloc[0])
    assert board(one) == board(three)
    assert not one.failures
    assert len(one.board.table) == len(names)


def test_trial_0_of_every_detector_is_its_defaults(reference):
    for detector in DETECTORS:
        _, params, _, _ = facts(reference[0])[detector, 0]
        known = {key: str(value) for key, value in defaults(MODELS.load(detector)).items()}
        assert {key: params[key] for key in known} == known


def test_every_trial_runs_once_and_no_two_are_equal(reference):
    found = facts(reference[0])
    assert set(found) == {(detector, number) for detector in DETECTORS for number in range(TRIALS)}
    assert all(status == "FINISHED" for status, *_ in found.values())
    params = {(detector, repr(sorted(found[detector, number][1].items()))) for detector, number in found}
    assert len(params) == len(found)


def test_every_trial_is_a_child_of_its_studys_run(reference):
    parents = {run.info.run_id: run for run in study_runs(reference[0])}
    assert sorted(run.data.tags["lab.detector"] for run in parents.values()) == sorted(DETECTORS)
    assert {run.info.status for run in parents.values()} == {"FINISHED"}
    for run in trial_runs(reference[0]):
        parent = parents[run.data.tags["mlflow.parentRunId"]]
        assert parent.data.tags["lab.detector"] == run.data.tags["lab.detector"]


def test_the_studys_run_the_best_trial_and_the_board_agree(reference):
    store, result = reference
    for row in result.board.table.to_dict(orient="records"):
        mine = [run for run in trial_runs(store) if run.data.tags["lab.detector"] == row["detector"]]
        best = max(mine, key=lambda run: (run.data.metrics["auc"], run.data.metrics["f1"]))
        marked = [run.info.run_id for run in mine if "lab.best_of_study" in run.data.tags]
        parent = next(run for run in study_runs(store) if run.data.tags["lab.detector"] == row["detector"])
        assert marked == [row["run_id"]]
        assert row["auc"] == best.data.metrics["auc"] == parent.data.metrics["auc"]
        assert row["f1"] == best.data.metrics["f1"]
        assert row["optimism"] == pytest.approx(row["auc_in_round"] - row["auc"])
        assert row["runs"] == parent.data.metrics["trials"] == len(mine)


@pytest.mark.slow
def test_another_seed_runs_other_trials_beside_the_first(rounds, copied, reference):
    result = tuned(rounds, copied, detectors=["knn-distance"], trials=3, seed=1)
    new = [run for run in trial_runs(copied) if run.info.run_id not in run_ids(reference[0])]
    found = {int(run.data.tags["lab.trial"]): run.data.params["n_neighbors"] for run in new}
    assert sorted(run.data.tags["lab.seed"] for run in new) == ["100003", "100004", "100005"]
    known = facts(reference[0])
    assert found != {number: known["knn-distance", number][1]["n_neighbors"] for number in range(3)}
    runs = result.board.table.set_index("detector")["runs"]
    assert runs.to_dict() == {"mahalanobis": TRIALS, "knn-distance": TRIALS + 3}


def test_the_same_command_again_runs_nothing(rounds, copied, reference):
    result = tuned(rounds, copied)
    assert run_ids(copied) == run_ids(reference[0])
    assert board(result) == board(reference[1])
    assert not result.interrupted


@pytest.mark.slow
def test_more_trials_later_are_those_of_more_trials_at_once(rounds, fresh_store, reference):
    for trials in (2, 5):
        tuned(rounds, fresh_store, detectors=["knn-distance"], trials=trials)
    found = facts(fresh_store)
    assert found == {("knn-distance", number): facts(reference[0])["knn-distance", number] for number in range(5)}
    marked = [run for run in trial_runs(fresh_store) if "lab.best_of_study" in run.data.tags]
    assert [run.data.tags["lab.selected"] for run in marked] == ["best of 5 trials"]


@pytest.mark.slow
@pytest.mark.usefixtures("plugins")
def test_defaults_of_every_detector_come_first_and_then_the_costliest_detector(rounds, fresh_store):
    lines = []
    names = ("counts", "dawdles")
    tuned(rounds, fresh_store, detectors=names, trials=2, report=lambda line, done, total: lines.append(line))
    begun = [line.partition(":")[0] for line in lines if ": AUC" in line]
    assert begun == ["counts 0", "dawdles 0", "dawdles 1", "counts 1"]


@pytest.mark.slow
def test_no_trial_begins_after_the_deadline(rounds, fresh_store):
    driver = None

    def report(line, done, total):
        if done == 2:
            driver.deadline = time.monotonic()

    bench = Workbench(Question.of(rounds), FeatureStore(("profile",)))
    models = {"mahalanobis": MODELS.load("mahalanobis")}
    driver = Driver(bench, Store.open(fresh_store), models, trials=4, seed=0, report=report)
    assert driver.run(1) is False
    assert len(facts(fresh_store)) == 2
    assert {run.info.status for run in study_runs(fresh_store)} == {"FINISHED"}


def test_a_budget_of_no_time_says_so(rounds, fresh_store):
    with pytest.raises(StoreError, match="ended before any trial was finished; the same command goes on from here"):
        tuned(rounds, fresh_store, timeout=1e-9)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trials": 0}, "--trials must be at least 1, found 0"),
        ({"jobs": 0}, "--jobs must be at least 1, found 0"),
        ({"timeout": 0}, "--timeout must be a positive number of seconds, found 0"),
        ({"timeout": float("nan")}, "--timeout must be a positive number of seconds, found nan"),
        ({"seed": -1}, "--seed must be 0 or more, found -1"),
        ({"families": []}, "--families must name at least one feature family"),
        ({"families": ["profil"]}, "there is no feature family 'profil'; did you mean profile"),
        ({"detectors": ["seed-notebook"], "families": ["profile"]}, r"one of the detector's own families \(seed\)"),
        ({"detectors": ["mahalanobi"]}, "there is no model 'mahalanobi'; did you mean mahalanobis"),
        ({"protocol": "nextround"}, "--protocol must be one of next-round"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_is_written(settings, message, rounds, tmp_path):
    with pytest.raises(ConfigError, match=message):
        tune(rounds, **({"detectors": ["mahalanobis"], "jobs": 1} | settings), store=tmp_path / "lab")
    assert not (tmp_path / "lab").exists()


def test_a_team_table_without_every_user_is_told_before_anything_is_written(rounds, tmp_path):
    (tmp_path / "mine.csv").write_text("user,height\n0,1.0\n")
    with pytest.raises(DataError, match=r"mine\.csv"):
        tuned(rounds, tmp_path / "lab", features=tmp_path / "mine.csv")
    assert not (tmp_path / "lab").exists()


def test_a_detector_none_of_whose_families_is_switched_on_is_left_out_and_told():
    features = FeatureStore(("profile",), only=("profile",))
    models = {name: MODELS.load(name) for name in ("mahalanobis", "seed-notebook")}
    seeing, told = choose_seeing(models, features, wanted=False)
    assert list(seeing) == ["mahalanobis"]
    assert told == [
        "left out: seed-notebook: --families must name at least one of the detector's own families (seed), "
        "found profile"
    ]


@pytest.mark.slow
def test_one_round_is_asked_in_round_and_says_what_that_is_worth(rounds, fresh_store):
    result = tuned(rounds[:1], fresh_store, detectors=["mahalanobis"], trials=1)
    assert result.board.protocol == "in-round"
    assert any("does not predict the next round" in note for note in result.board.notes)
    assert result.board.table["optimism"].isna().all()


@pytest.mark.slow
def test_each_question_has_a_board_of_its_own(rounds, copied):
    result = tuned(rounds, copied, detectors=["mahalanobis"], trials=1, protocol="forward")
    assert list(result.board.table["detector"]) == ["mahalanobis"]
    assert result.board.protocol == "forward"
    assert result.board.others["title"].tolist() == ["next-round on a + b"]
    assert leaderboard([copied]).question == result.board.question


def test_a_store_that_is_no_lab_is_told(rounds, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="--store must be a folder, found a file"):
        tuned(rounds, tmp_path / "file")
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab" / "mlflow.db").write_text("nothing of the kind" * 100)
    with pytest.raises(LabError, match=r"mlflow\.db: must be a database of this MLflow, found: .*take another --store"):
        tuned(rounds, tmp_path / "lab")
