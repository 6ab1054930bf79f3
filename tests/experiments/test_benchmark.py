"""A benchmark: every answer once, kept at once, the same for any number of workers; its tables, run and page."""

import json
import signal

import numpy as np
import pandas as pd
import pytest
from lab_helpers import all_runs

from anomaly_lab.errors import ConfigError, StoreError
from anomaly_lab.evaluation.engine import run
from anomaly_lab.features.extract import FeatureStore
from anomaly_lab.random_rounds import random_round
from anomaly_lab.ratings import RatingBatch
from anomaly_lab.ratings.labels import Round
from anomaly_lab.registry import DEFAULT_FAMILIES, MODELS
from anomaly_lab.tasks.shilling import Cell
from experiments.benchmark import benchmark
from tracking.benchmark_tables import of_attacks, of_sizes, overall
from tracking.kept import KeptCells
from tracking.store import Store

pytestmark = pytest.mark.slow
SMALL = {
    "detectors": ["degree-sad", "fap"],
    "attacks": ["random", "hybrid"],
    "attack_sizes": [0.1],
    "filler_sizes": [0.1, 0.2],
    "seeds": 1,
}
COMMAND = "--detector degree-sad --detector fap --attack random --attack hybrid --attack-size 0.1 --filler-size 0.1"
COMMAND = f"{COMMAND} --filler-size 0.2 --seeds 1 --jobs 1".split()


@pytest.fixture(scope="module")
def log():
    one = random_round(seed=3, n_users=120, n_items=60, n_fakes=0)
    return Round(RatingBatch.from_rows(one.users, one.items, one.ratings, scale=one.scale), name="log")


@pytest.fixture(scope="module")
def log_file(log, tmp_path_factory):
    one = log.ratings
    rows = {"user": one.user_ids[one.users], "item": one.item_ids[one.items], "rating": one.ratings}
    path = tmp_path_factory.mktemp("log") / "log.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def made(log, template, copy_lab, tmp_path_factory):
    """A benchmark that nobody disturbed, and its lab."""
    store = copy_lab(template, tmp_path_factory.mktemp("benchmarked"))
    return store, benchmark(log, **SMALL, jobs=1, store=store)


def measured(cells):
    return cells.drop(columns="seconds")


def test_every_cell_says_what_the_engine_says(made, log):
    found = made[1]
    assert len(found.cells) == 2 * 2 * 2
    assert not found.n_missing
    for row in found.cells.itertuples():
        cell = Cell("same-attack", row.attack, row.attack_size, row.filler_size, row.seed)
        folds = list(found.question.under(cell.name).folds())
        model, store = MODELS.load(row.detector), FeatureStore(DEFAULT_FAMILIES)
        result = run(row.detector, model, {}, folds, store, seed=0, thresholds=False)
        assert row.auc == result.metrics["auc"]


def test_one_run_holds_the_table_and_a_mean_a_detector(made, log):
    store, found = made
    (one,) = all_runs(store)
    assert one.info.run_id == found.run_id
    assert one.info.status == "FINISHED"
    assert one.data.tags["lab.role"] == "benchmark"
    assert one.data.params["attacks"] == "random,hybrid"
    means = found.cells.groupby("detector")["auc"].mean()
    assert {name: one.data.metrics[f"auc_{name}"] for name in means.index} == pytest.approx(dict(means))
    path = Store.open(store).client.download_artifacts(found.run_id, "cells.csv")
    pd.testing.assert_frame_equal(pd.read_csv(path), found.cells)


def test_what_is_answered_is_not_asked_again(made, log, monkeypatch):
    store, found = made

    def never(*_):
        raise AssertionError("asked again")

    monkeypatch.setattr("experiments.workbench.Workbench.run", never)
    again = benchmark(log, **SMALL, jobs=1, store=store)
    pd.testing.assert_frame_equal(again.cells, found.cells)
    smaller = benchmark(log, **SMALL | {"attacks": ["hybrid"], "detectors": ["fap"]}, jobs=1, store=store)
    expected = found.cells.query("attack == 'hybrid' and detector == 'fap'").reset_index(drop=True)
    pd.testing.assert_frame_equal(smaller.cells, expected)
    assert len({one.info.experiment_id for one in all_runs(store)}) == 2, "another question"


def test_an_interrupt_keeps_what_is_finished_and_the_rest_is_asked_later(made, log, fresh_store):
    def interrupt(line, done, total):
        if done == 3:
            signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        first = benchmark(log, **SMALL, jobs=1, store=fresh_store, report=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert first.interrupted
    assert (len(first.cells), first.n_missing) == (3, 5)
    assert [one.info.status for one in all_runs(fresh_store)] == ["KILLED"]
    lines = []
    second = benchmark(log, **SMALL, jobs=1, store=fresh_store, report=lambda line, *_: lines.append(line))
    assert len(lines) == 5
    pd.testing.assert_frame_equal(measured(second.cells), measured(made[1].cells))
    assert [one.info.status for one in all_runs(fresh_store)] == ["FINISHED"]


@pytest.mark.parametrize("protocol", ["same-attack", "other-attacks"])
def test_the_number_of_workers_changes_no_figure(protocol, log, new_store):
    settings = SMALL | {"detectors": ["semi-sad", "mahalanobis"], "protocol": protocol}
    one, two = (benchmark(log, **settings, jobs=jobs, store=new_store(str(jobs))) for jobs in (1, 2))
    pd.testing.assert_frame_equal(measured(one.cells), measured(two.cells))
    assert one.labels == two.labels


def test_what_each_detector_sees_of_labels_is_told(log, fresh_store):
    names = ["pca-varselect", "mahalanobis", "fap"]
    quick = SMALL | {"detectors": names, "filler_sizes": [0.1], "protocol": "other-attacks"}
    told = benchmark(log, **quick, jobs=1, store=fresh_store).labels
    assert told["pca-varselect"] == "none"
    assert told["mahalanobis"].startswith("genuine users of the other attacks' batch")
    assert told["fap"] == "both classes of the other attacks' batch"


def test_a_detector_that_fails_is_told_and_the_others_are_measured(plugins, log, fresh_store):
    found = benchmark(log, **SMALL | {"detectors": ["raises", "fap"]}, jobs=1, store=fresh_store)
    assert found.failures == {"raises": "ValueError: no luck today [/bold]"}
    assert set(found.cells["detector"]) == {"fap"}
    assert found.n_missing == 4
    with pytest.raises(StoreError, match="a benchmark must have an answer, found none: ValueError: no luck"):
        benchmark(log, **SMALL | {"detectors": ["raises"]}, jobs=1, store=fresh_store)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"jobs": 0}, "--jobs must be at least 1"),
        ({"detectors": ["fab"]}, "there is no model 'fab'"),
        ({"detectors": ["als"]}, "must answer task fake-users"),
        ({"attacks": ["hybrids"]}, "did you mean hybrid"),
        ({"protocol": "in-round"}, "--protocol must be one of same-attack, other-attacks"),
        ({"n_users": 0}, "--users must be 1 or more"),
        ({"attack_sizes": [1.2]}, "--attack-size must be a share"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_is_written(settings, message, log, tmp_path):
    with pytest.raises(ConfigError, match=message):
        benchmark(log, **SMALL | {"jobs": 1} | settings, store=tmp_path / "lab")
    assert not (tmp_path / "lab").exists()


def cells_of(aucs):
    """Cells of two detectors, two attacks, one attack size, two filler sizes and two seeds."""
    names = ["detector", "attack", "filler_size", "seed"]
    index = pd.MultiIndex.from_product([["a", "b"], ["x", "y"], [0.01, 0.1], [0, 1]], names=names)
    return pd.DataFrame({"auc": aucs}, index=index).reset_index().assign(attack_size=0.05, seconds=0.5)


def test_means_are_of_seeds_and_spread_between_them():
    cells = cells_of(np.arange(16) / 16)
    best = overall(cells).set_index("detector")
    assert [*best.index] == ["b", "a"]
    assert best.loc["a", ["auc", "seeds", "worst", "worst_attack"]].tolist() == [3.5 / 16, 2, 1.5 / 16, "x"]
    assert best.loc["a", "auc_sd"] == pytest.approx(np.std([3 / 16, 4 / 16], ddof=1))
    attacks = of_attacks(cells).set_index(["detector", "attack"])["auc"]
    assert attacks["b", "y"] == 13.5 / 16
    sizes = of_sizes(cells).set_index(["detector", "filler_size"])["auc"]
    assert sizes["a", 0.1] == np.mean([2, 3, 6, 7]) / 16


def test_an_answer_that_a_dying_writer_left_unfinished_is_none(tmp_path):
    kept = KeptCells(tmp_path / "folder" / "cells.jsonl")
    assert kept.read() == {}
    rows = [{"detector_key": "d", "cell_key": str(number), "auc": 0.5} for number in range(3)]
    kept.add(rows[0])
    with kept.path.open("a") as file:
        file.write('{"detector_key": "d", "ce')
    assert list(kept.read()) == [("d", "0")]
    kept.add(rows[1])
    assert list(kept.read().values()) == rows[:2]
    kept.path.write_text("nonsense\n" + kept.path.read_text())
    with pytest.raises(StoreError, match="line 1 must be an answer as JSON, found 'nonsense'"):
        kept.read()


def test_the_command_prints_every_form(cli, log_file, made):
    store, found = made
    shown = cli("benchmark", log_file, *COMMAND, "--store", store)
    assert shown.code == 0, shown.err
    for words in ("fap", "hybrid", "10/20", "Labels seen", "both classes of half of the users"):
        assert words in shown.out
    told = json.loads(cli("benchmark", log_file, *COMMAND, "--store", store, "--json").out)
    assert [row["auc"] for row in told["cells"]] == pytest.approx(found.cells["auc"].tolist())
    assert told["missing"] == 0
    assert cli("benchmark", log_file, *COMMAND, "--store", store, "--csv").out.startswith("detector,attack,attack_size")
    assert "| detector | random | hybrid |" in cli("benchmark", log_file, *COMMAND, "--store", store, "--markdown").out
    wrong = cli("benchmark", log_file, "--attack-size", "2", "--store", store)
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)


def test_the_page_is_whole_and_sorts(cli, log_file, made, tmp_path, visit):
    store, found = made
    page = tmp_path / "page.html"
    ran = cli("benchmark", log_file, *COMMAND, "--store", store, "--out", page)
    assert ran.code == 0, ran.err
    with visit(page, viewport={"width": 390, "height": 800}) as seen:
        seen.page.wait_for_selector("figure.chart[data-live=yes]")
        cells = seen.page.locator("#attacks tbody td").all_inner_texts()
        assert sorted(cells) == sorted(f"{auc:.3f}" for auc in of_attacks(found.cells)["auc"])
        seen.page.get_by_role("button", name="random").click()
        first = seen.page.locator("#attacks tbody tr").first.inner_text()
        best = of_attacks(found.cells).query("attack == 'random'").sort_values("auc")["detector"].iloc[-1]
        assert first.startswith(best)
        assert seen.page.evaluate("document.documentElement.scrollWidth") == 390
    assert not seen.errors
    assert not seen.requests
    (one,) = [run for run in all_runs(store) if run.info.run_id == found.run_id]
    artifacts = {item.path for item in Store.open(store).client.list_artifacts(one.info.run_id)}
    assert artifacts == {"cells.csv", "benchmark.html"}
