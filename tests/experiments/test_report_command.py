"""The report: it says what was recorded and what is missing, as a page that asks for nothing and trusts nobody."""

import json
import pickle
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from lab_helpers import study_runs, write_round

from anomaly_lab.evaluation.mistakes import mistakes
from anomaly_lab.ratings.readers import read_rounds
from experiments.ablate import ablate
from experiments.report import Reported, report
from experiments.study_read import read_searches
from experiments.tune import tune
from tracking.colleague import record
from tracking.leaderboard import leaderboard
from tracking.read import artifacts, shown_runs
from tracking.report.blocks import Chart, Folded, Missing, Table, Text
from tracking.report.recorded import Recorded
from tracking.report.write import LARGEST
from tracking.store import Store

pytestmark = pytest.mark.slow  # a lab that has everything takes a while to make

HOSTILE = "<img src=x onerror=alert(1)> | *b*"
COLLEAGUE = "</script><script>alert('eve')</script>"
FAMILIES = ["profile", "popularity"]
SECTIONS = [
    *("methods", "scores", "curves", "protocols", "worth", "rests-on"),
    *("search", "cost", "failures", "drift", "users", "origin"),
]


@pytest.fixture(scope="session")
def whole(template, shared, copy_lab) -> tuple[Path, Reported]:
    """A lab that has everything, with names that would run in a page that let them, and its report."""

    def fill(folder: Path) -> None:
        store = copy_lab(template, folder / "lab")
        files = [write_round(folder / name, seed) for seed, name in enumerate(("a.npz", f"{HOSTILE}.npz"))]
        rounds = read_rounds(files, require_labels=True)
        detectors = ["mahalanobis", "knn-distance", "logistic-regression"]
        tune(rounds, detectors=detectors, trials=2, jobs=1, families=FAMILIES, store=store)
        ablate("mahalanobis", rounds, families=FAMILIES, jobs=1, store=store)
        for number, one in enumerate(rounds):
            np.savez(folder / f"eve{number}.npz", np.random.default_rng(number).uniform(size=one.ratings.n_users))
        record([folder / "eve0.npz", folder / "eve1.npz"], files, COLLEAGUE, store=store)
        best = next(run for run in shown_runs(Store.open(store)) if _best(run, "mahalanobis"))
        found = report(folder / "out" / "report.html", store=store, run=best.info.run_id)
        (folder / "reported.pickle").write_bytes(pickle.dumps(found))

    folder = shared("whole_report", fill)
    return folder, pickle.loads((folder / "reported.pickle").read_bytes())


def _best(run, detector):
    return run.data.tags["lab.detector"] == detector and run.data.tags.get("lab.best_of_study") == "true"


@pytest.fixture
def store(whole):
    return Store.open(whole[0] / "lab")


@pytest.fixture
def summary(whole):
    return whole[1].summary


def blocks(summary, section, sort):
    """Return the blocks of one sort in a section, folded ones too."""

    def every(some):
        for one in some:
            yield one
            if isinstance(one, Folded):
                yield from every(one.blocks)

    return [one for one in every(summary.section(section).blocks) if isinstance(one, sort)]


def words(summary, section):
    return " ".join(one.words for one in blocks(summary, section, Text | Missing))


def commands(summary, section):
    return [one.command for one in blocks(summary, section, Missing)]


def test_every_section_is_there_and_draws_something(summary):
    assert [one.name for one in summary.sections] == SECTIONS
    silent = [one.name for one in summary.sections if not blocks(summary, one.name, Chart)]
    assert silent == ["origin"]
    names = [chart.drawing.name for chart in summary.charts()]
    assert len(set(names)) == len(names)
    tables = [one.name for section in SECTIONS for one in blocks(summary, section, Table)]
    assert len(set(tables)) == len(tables)


def test_methods_stand_as_on_the_board(whole, summary, store):
    table = blocks(summary, "methods", Table)[0].frame
    board = leaderboard([store.folder]).table
    assert table["detector"].tolist() == board["detector"].tolist()
    assert table["auc"].tolist() == board["auc"].tolist()
    assert dict(zip(table["detector"], table["kind"], strict=True)) == {
        "mahalanobis": "unsupervised",
        "knn-distance": "unsupervised",
        "logistic-regression": "supervised",
        COLLEAGUE: "recorded",
    }
    assert table["behind"].iloc[1:].tolist() == pytest.approx((board["auc"] - board["auc"].iloc[0]).iloc[1:].tolist())
    assert (table["behind_error"].iloc[1:] > 0).all()
    (command,) = commands(summary, "methods")
    assert "one supervised method" in words(summary, "methods")
    assert re.match(r"anomaly-lab tune --detector (gradient-boosting|random-forest) --round ", command)


def test_histograms_count_every_user_once(summary, store):
    chart = blocks(summary, "scores", Chart)[0].drawing.specification
    rows = [row for data in chart["datasets"].values() for row in data if "users" in row]
    assert sum(row["users"] for row in rows) == 100
    assert {row["class"] for row in rows} == {"genuine", "generated"}


def test_curves_have_intervals_and_the_recorded_areas(whole, summary, store):
    table = blocks(summary, "curves", Table)[0].frame
    history = store.client.get_metric_history(whole[1].run_id, "fold_auc")
    assert table["auc"].tolist() == [one.value for one in sorted(history, key=lambda one: one.step)]
    drawn = blocks(summary, "curves", Chart)[0].drawing.specification
    rows = [row for data in drawn["datasets"].values() for row in data if "low" in row]
    assert {row["round"] for row in rows} == {"a", HOSTILE}
    assert all(row["low"] <= row["high"] for row in rows)


def test_the_ablation_is_the_table_that_ablate_printed(whole, summary, store):
    rounds = read_rounds([whole[0] / "a.npz", whole[0] / f"{HOSTILE}.npz"], require_labels=True)
    again = ablate("mahalanobis", rounds, families=FAMILIES, jobs=1, store=store.folder).table
    shown = blocks(summary, "worth", Table)[0].frame.set_index("variant")
    expected = again.drop_duplicates("auc").set_index("variant")  # of two families, 'without' is 'alone'
    assert [*shown.index] == [*expected.index] == ["whole", "without profile", "without popularity"]
    for name in ("auc", "difference", "difference_se", "f1", "seconds_fit"):
        assert shown[name].tolist() == expected[name].tolist()


def test_studies_are_read_from_the_journal(whole, summary, store):
    names = {one.run.data.tags["lab.detector"]: one.run.data.tags["lab.study"] for one in _methods(store)}
    searches = read_searches(store, names)
    assert searches.keys() == {"mahalanobis", "knn-distance", "logistic-regression"}
    for one in searches.values():
        assert [trial["number"] for trial in one.trials] == [0, 1]
        importances = [each.importance for each in one.hyperparameters]
        assert importances == sorted(importances, reverse=True)
        assert sum(importances) == pytest.approx(1)
    by_name = {one.name: one for one in searches["logistic-regression"].hyperparameters}
    assert (by_name["C"].log, by_name["C"].numeric, by_name["scaling"].numeric) == (True, True, False)
    assert "2 trials of mahalanobis say little" in words(summary, "search")
    assert "--trials 40" in commands(summary, "search")[0]


def _methods(store):
    run = next(run for run in shown_runs(store) if _best(run, "mahalanobis"))
    return Recorded.read(store, run).methods


def test_seconds_are_the_recorded_ones(summary, store):
    table = blocks(summary, "cost", Table)[0].frame.set_index("method")
    for one in _methods(store):
        if one.kind != "recorded":
            assert table.loc[one.name, "fit"] == one.metric("seconds_fit")
            assert table.loc[one.name, "trials"] == 2
    assert COLLEAGUE not in table.index


def test_mistakes_are_counted_at_the_threshold_and_the_worst_are_explained(whole, summary, store):
    table = blocks(summary, "failures", Table)[0].frame
    (mine,) = [one for one in _methods(store) if one.name == "mahalanobis"]
    for one in mine.rounds:
        scored = one.scores
        there = mistakes(
            scored["user"].to_numpy(),
            scored["label"].to_numpy(),
            scored["score"].to_numpy(),
            scored["threshold"].iloc[0],
        )
        assert table.loc[table["round"] == one.name, "wrong"].tolist() == there["wrong"].tolist()
    explained = [one.title for one in blocks(summary, "failures", Folded)]
    worst = [row.worst[:2] for row in table.itertuples()]
    assert len(explained) == sum(map(len, worst))
    for row, users in zip(table.itertuples(), worst, strict=True):
        assert all(
            any(f"User {user} of {row.round} ({row.kind}) was {row.mistake}" in title for title in explained)
            for user in users
        )


def test_the_model_that_explains_gives_the_recorded_scores(summary):
    assert "every score is the recorded one, bit for bit" in words(summary, "origin")


def test_what_reproduces_it_is_named(whole, summary, store):
    text = " ".join(map(str, blocks(summary, "origin", Table)[0].frame["value"]))
    run = store.client.get_run(whole[1].run_id)
    for wanted in (whole[1].run_id, run.data.tags["lab.question"], run.data.tags["lab.git_commit"]):
        assert wanted in text
    rounds = blocks(summary, "origin", Table)[1].frame
    assert rounds["ratings"].tolist() == [one["ratings"] for one in json.loads(run.data.tags["lab.rounds"])]


def test_the_page_is_small_and_its_figures_are_artifacts_of_the_study(whole, summary, store):
    written = whole[1].written
    assert written.size == written.page.stat().st_size < LARGEST
    (parent,) = [run for run in study_runs(store.folder) if run.data.tags["lab.detector"] == "mahalanobis"]
    with artifacts(store, parent.info.run_id, ["report"]) as folder:
        kept = {path.name for path in (folder / "report").iterdir()}
        studies = json.loads((folder / "report" / "studies.json").read_text())
    assert kept == {f"{chart.drawing.name}.png" for chart in summary.charts()} | {"studies.json"}
    assert studies.keys() == {"mahalanobis", "knn-distance", "logistic-regression"}


def test_images_of_the_markdown_exist_and_its_rows_are_whole(whole):
    text = whole[1].written.markdown.read_text()
    images = re.findall(r"^!\[.*\]\((.+)\)$", text, flags=re.MULTILINE)
    assert len(images) == len(whole[1].written.images)
    for image in images:
        assert (whole[1].written.markdown.parent / image).read_bytes().startswith(b"\x89PNG")
    prose = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    assert HOSTILE not in prose
    assert "<script" not in prose.replace(r"\<script", "")


def test_in_a_browser_every_chart_is_drawn_nothing_is_asked_for_and_nobody_else_runs(whole, summary, visit):
    with visit(whole[1].written.page, viewport={"width": 1200, "height": 900}) as seen:
        page = seen.page
        page.wait_for_function(
            "document.querySelectorAll('figure.chart:not([data-live])').length === 0", timeout=60_000
        )
        assert page.locator("figure.chart .drawn svg").count() == len([*summary.charts()])
        assert page.locator("h1").inner_text() == summary.title
        assert COLLEAGUE in page.locator("#methods").inner_text()
        page.locator("#methods th button", has_text="AUC").click()
        aucs = page.locator("#methods tbody td:nth-child(4)").all_inner_texts()
        assert aucs == sorted(aucs, reverse=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= 1200
    assert seen.errors == []
    assert seen.requests == []


def test_a_phone_needs_no_sideways_scrolling(whole, visit):
    with visit(whole[1].written.page, viewport={"width": 360, "height": 700}) as seen:
        seen.page.wait_for_function(
            "document.querySelectorAll('figure.chart:not([data-live])').length === 0", timeout=60_000
        )
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_rounds_that_are_gone_are_told_in_the_report_and_refused_where_they_were_named(whole, cli, copy_lab, tmp_path):
    lab = copy_lab(whole[0] / "lab", tmp_path / "lab")
    with closing(sqlite3.connect(lab / "mlflow.db")) as store, store:
        store.execute("update tags set value = replace(value, '/a.npz', '/gone.npz') where key = 'lab.rounds'")
    found = report(tmp_path / "r.html", store=lab, run=whole[1].run_id)
    assert "found no such file; say where its 2 rounds are now with --round" in words(found.summary, "users")
    assert blocks(found.summary, "failures", Table)
    for named in (["--round", whole[0] / "a.npz"], ["--batch", whole[0] / "a.npz"]):
        ran = cli("report", "--store", lab, "--out", tmp_path / "n.html", *named)
        assert (ran.code, ran.err.count("\nerror: ") + ran.err.startswith("error: ")) == (2, 1)
        assert not (tmp_path / "n.html").exists()


def test_the_command_names_its_files_and_the_next_round_is_compared(whole, cli, tmp_path):
    batch = write_round(tmp_path / "next.npz", 7, labelled=False)
    ran = cli("report", "--store", whole[0] / "lab", "--out", tmp_path / "r.html", "--batch", batch, "--json")
    assert ran.code == 0, ran.err
    found = json.loads(ran.out)
    assert found["bytes"] == (tmp_path / "r.html").stat().st_size
    assert "next beside a + " in (tmp_path / "r.md").read_text()


def test_a_mistake_is_one_line(cli, whole, tmp_path):
    lab = whole[0] / "lab"
    for arguments, said in (
        (["--store", tmp_path / "none"], "there must be a lab with runs"),
        (["--store", lab, "--run", "zz"], "--run must name one finished run"),
        (["--store", lab, "--batch", tmp_path / "none.npz"], "none.npz"),
    ):
        ran = cli("report", *arguments, "--out", tmp_path / "r.html")
        assert (ran.code, ran.out) == (2, "")
        assert said in ran.err.splitlines()[-1]
    assert not (tmp_path / "r.html").exists()
