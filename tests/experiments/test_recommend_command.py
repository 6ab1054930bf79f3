"""The commands recommend, similar, evaluate and tune, asked about a log of ratings and the table of its items."""

import json

import numpy as np
import pandas as pd
import pytest

TASK = ["--task-option", "min_positives=4", "--task-option", "held_out=2", "--task-option", "positive=4"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two communities: users of each like the items of their genre and rate a few of the other low."""
    folder, rng = tmp_path_factory.mktemp("log"), np.random.default_rng(0)
    rows = []
    for user in range(60):
        mine, other = (np.arange(20), np.arange(20, 40))[:: 1 if user % 2 else -1]
        rows += [(user, item, rng.choice([4, 5])) for item in rng.choice(mine, 10, replace=False)]
        rows += [(user, item, rng.choice([1, 2])) for item in rng.choice(other, 4, replace=False)]
    pd.DataFrame(rows, columns=["userId", "movieId", "rating"]).to_csv(folder / "ratings.csv", index=False)
    genres = ["Crime"] * 20 + ["Comedy"] * 20
    titles = [f"{genre} {number:02} (19{number:02})" for number, genre in enumerate(genres)]
    pd.DataFrame({"movieId": range(40), "title": titles, "genres": genres}).to_csv(folder / "movies.csv", index=False)
    return folder


@pytest.fixture
def asked(cli, folder, tmp_path):
    def run(name, *arguments):
        ran = cli(name, "--ratings", folder, *arguments, "--store", tmp_path / "lab", "--json")
        assert ran.code == 0, ran.err
        return json.loads(ran.out)

    return run


def test_a_user_is_recommended_unseen_items_of_the_own_community(asked, folder):
    items = asked("recommend", "--user", 1, "-n", 5)["items"]
    rated = pd.read_csv(folder / "ratings.csv").query("userId == 1")["movieId"].tolist()
    assert [row["rank"] for row in items] == [1, 2, 3, 4, 5]
    assert {row["genres"] for row in items} == {"Crime"}
    assert not {row["item"] for row in items} & set(rated)
    assert [row["score"] for row in items] == sorted((row["score"] for row in items), reverse=True)


@pytest.mark.parametrize("model", ["ease", "ials", "pagerank"])
@pytest.mark.parametrize("likes", [["--like", "Comedy 25=5", "--like", "26=4"], ["--genre", "comedy"]])
def test_a_new_user_is_recommended_what_is_like_what_the_user_likes(asked, model, likes):
    items = asked("recommend", *likes, "-n", 4, "--model", model)["items"]
    if likes[0] == "--like":
        assert {row["genres"] for row in items} == {"Comedy"}
        assert not {25, 26} & {row["item"] for row in items}
    else:  # every comedy is known to somebody who likes the twenty most rated
        assert {row["genres"] for row in items} == {"Crime"}


@pytest.mark.parametrize("measure", ["cosine", "distance"])
def test_similar_items_are_of_the_same_community(asked, measure):
    items = asked("similar", "--item", "crime 07", "-n", 5, "--measure", measure, "--model", "als")["items"]
    assert {row["genres"] for row in items} == {"Crime"}
    assert 7 not in {row["item"] for row in items}
    assert [row[measure] for row in items] == sorted((row[measure] for row in items), reverse=measure == "cosine")


def test_best_and_worst_user_are_shown_beside_what_was_held_out(cli, folder, tmp_path):
    ran = cli("recommend", "--ratings", folder, "--held-out", *TASK, "-n", 5, "--store", tmp_path)
    assert ran.code == 0, ran.err
    assert "served best by ease at its defaults: AUC" in ran.out
    assert "of 2 held out" in ran.out.replace("\n", " ")
    assert "no recommender was tuned on this log" in ran.err
    shown = json.loads(cli("recommend", "--ratings", folder, "--held-out", *TASK, "--store", tmp_path, "--json").out)
    assert [one["which"] for one in shown] == ["best", "worst"]
    assert shown[0]["auc"] >= shown[1]["auc"]


@pytest.mark.slow
def test_what_was_tuned_on_the_log_is_asked_and_fitted_once(cli, folder, tmp_path):
    store = tmp_path / "lab"
    log = ["--ratings", folder, "--store", store]
    tuned = cli(
        "tune", "--task", "implicit-ranking", *TASK, "--detector", "popularity", *log, "--trials", 1, "--jobs", 1
    )
    assert tuned.code == 0, tuned.err
    assert "popularity (baseline)" in tuned.out
    assert f"anomaly-lab recommend --ratings {folder} --user 0" in tuned.out
    first, again = (cli("recommend", *log, "--user", 3).out for _ in range(2))
    assert "by popularity (run" in first
    assert first == again
    (kept,) = (store / "recommenders").iterdir()
    kept.write_bytes(b"broken by a writer that was killed")
    assert cli("recommend", *log, "--user", 3).out == first


def test_evaluate_tells_folds_and_their_mean(asked, cli, folder):
    ran = cli("evaluate", "biases", "--ratings", folder, "--protocol", "leave-k-out", "--task-option", "folds_wanted=3")
    assert ran.code == 0, ran.err
    told = json.loads(cli("evaluate", "biases", "--ratings", folder, "--json").out)
    assert [row["query"] for row in told["runs"]] == [f"part {number}" for number in range(5)]
    assert told["summary"]["rmse"]["mean"] == pytest.approx(np.mean([row["rmse"] for row in told["runs"]]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["recommend"], "one of --user ID"),
        (["recommend", "--user", "999"], "--user must be a user's id"),
        (["recommend", "--user", "1", "--model", "mahalanobis"], "--model must be a recommender"),
        (["recommend", "--user", "1", "--model", "ease", "--run", "ab"], "found both"),
        (["recommend", "--like", "Crime 01"], "--like must be ITEM=RATING"),
        (["recommend", "--like", "Crime=5"], "'Crime' must mean one item"),
        (["recommend", "--like", "Nothing=5"], "'Nothing' must be an item's id or title"),
        (["recommend", "--like", "Crime 01=7"], "a rating on scale stars must be one of"),
        (["recommend", "--genre", "Western"], "'Western' must be a genre, known: Comedy, Crime"),
        (["recommend", "--held-out", "--model", "als"], "--held-out is of recommenders that rank likings"),
        (["similar", "--item", "Crime 01", "--measure", "feeling"], "--measure must be cosine or distance"),
        (["similar", "--item", "Crime 01", "--model", "popularity"], "has no vectors of items"),
        (["evaluate", "mahalanobis"], "--model must be a recommender"),
        (["tune", "--task", "fortune-telling"], "--task must be one of"),
    ],
)
def test_mistakes_are_told_in_one_line(cli, folder, arguments, message):
    ran = cli(*arguments, "--ratings", folder)
    assert ran.code == 2
    assert message in ran.err
    assert "Traceback" not in ran.err
    assert len([line for line in ran.err.splitlines() if line.startswith("error")]) == 1


def test_a_task_of_recommenders_needs_a_log(cli):
    ran = cli("tune", "--task", "rating-prediction")
    assert ran.code == 2
    assert "needs one log of ratings, --ratings FILE, found none" in ran.err


def test_genres_to_drop_are_not_shown_and_must_be_there(asked, cli, folder):
    items = asked("recommend", "--user", 1, "-n", 3, "--drop-genre", "Crime")["items"]
    assert {row["genres"] for row in items} == {""}
    assert asked("recommend", "--user", 1, "-n", 3, "--drop-genre", "sensitive")["items"]
    refused = cli("recommend", "--ratings", folder, "--user", 1, "--drop-genre", "Western")
    assert (refused.code, "'Western' must be a genre, known: Comedy, Crime" in refused.err) == (2, True)


def test_what_was_left_out_of_a_log_is_told(cli, folder, tmp_path):
    text = (folder / "ratings.csv").read_text()
    (tmp_path / "ratings.csv").write_text(text + "5,100,UNKNOWN\n")
    (tmp_path / "movies.csv").write_text((folder / "movies.csv").read_text())
    ran = cli("evaluate", "biases", "--ratings", tmp_path)
    assert ran.code == 0
    assert "1 rows left out, their rating is UNKNOWN" in ran.err


def test_a_recommender_that_saw_other_genres_is_not_served_again(cli, folder, tmp_path):
    for options in ([], ["--drop-genre", "Crime"], []):
        ran = cli("recommend", "--ratings", folder, "--user", 1, "--model", "pagerank", "--store", tmp_path, *options)
        assert ran.code == 0, ran.err
    assert len(list((tmp_path / "recommenders").iterdir())) == 2
