"""The report's summary of a quick tune: the recorded figures, and for the rest the command that brings it."""

import pytest

from tracking.read import shown_runs
from tracking.report.blocks import Chart, Missing, Table
from tracking.report.recorded import Recorded
from tracking.report.summary import Found, summarise
from tracking.store import Store


@pytest.fixture(scope="module")
def quick(tiny_lab):
    """What a quick tune recorded, reported for its unsupervised detector."""
    store = Store.open(tiny_lab)
    tags = {"lab.detector": "mahalanobis", "lab.best_of_study": "true"}
    run = next(run for run in shown_runs(store) if tags.items() <= run.data.tags.items())
    return Recorded.read(store, run)


@pytest.fixture(scope="module")
def summary(quick):
    return summarise(quick, Found(why_not="This needs the rounds.", why_no_drift="No round."))


def of(summary, section, sort):
    return [one for one in summary.section(section).blocks if isinstance(one, sort)]


def test_the_board_is_the_recorded_one(quick, summary):
    table = of(summary, "methods", Table)[0].frame
    assert table["detector"].tolist() == [one.name for one in quick.methods] == ["logistic-regression", "mahalanobis"]
    assert table["auc"].tolist() == [one.metric("auc") for one in quick.methods]
    assert table["behind"].iloc[1] == pytest.approx(table["auc"].iloc[1] - table["auc"].iloc[0])


def test_tiles_are_of_the_reported_run(quick, summary):
    assert summary.tiles[0].value == f"{quick.mine.metric('auc'):.3f}"
    assert summary.tiles[1].value == f"{quick.mine.metric('f1'):.3f}"
    assert "1 supervised, 1 unsupervised" in summary.tiles[2].words


def test_what_is_missing_is_named_with_the_command_that_brings_it(quick, summary):
    wanted = {
        "methods": "anomaly-lab tune --detector ",
        "worth": "anomaly-lab ablate mahalanobis --seeds 3 ",
        "search": "anomaly-lab tune --detector mahalanobis --trials ",
        "failures": "anomaly-lab report --run ",
        "drift": "anomaly-lab report --run ",
        "users": "anomaly-lab report --run ",
    }
    found = {one.name: of(summary, one.name, Missing) for one in summary.sections}
    assert {name for name, missing in found.items() if missing} == set(wanted)
    for section, beginning in wanted.items():
        for one in found[section]:
            assert one.command.startswith(beginning)
            assert one.command.endswith(f"--store {quick.store.folder}")
    kinds = [one.words for one in found["methods"]]
    assert [words.split(" method")[0] for words in kinds] == ["Only one supervised", "Only one unsupervised"]
    assert not of(summary, "users", Chart)
    assert not of(summary, "worth", Table)


def test_protocols_stand_beside_each_other(quick, summary):
    table = of(summary, "protocols", Table)[0].frame.set_index("method")
    for one in quick.methods:
        assert table.loc[one.name, "auc_in_round"] == one.metric("auc_in_round")
        assert table.loc[one.name, "optimism"] == pytest.approx(one.metric("auc_in_round") - one.metric("auc"))


def test_what_the_scores_rest_on_is_read_back(quick, summary):
    (chart,) = of(summary, "rests-on", Chart)
    (rows,) = chart.drawing.specification["datasets"].values()
    assert {row["feature"] for row in rows} == set(quick.tag("families").split(","))


def test_the_command_that_reproduces_the_run_says_its_trial_and_seed(quick, summary):
    line = summary.section("origin").blocks[1].lines[0]
    trial = int(quick.tag("trial"))
    assert f"tune --detector mahalanobis --trials {trial + 1} --seed 0 --scale " in line
    assert all(one["path"] in line for one in quick.round_facts)
