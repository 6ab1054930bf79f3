"""The command line: what it prints, what it writes, and how it ends."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from lab_helpers import command, copy_run, facts, refused, round_options, trial_runs

from anomaly_lab.registry import MODELS
from tracking.leaderboard import COLUMNS

COMMANDS = {
    "tune": "Tune detectors on labelled rounds",
    "leaderboard": "Rank runs that answered the same question",
    "export": "Refit the best run on all labelled rounds",
    "evaluate": "Fit a detector at given parameters",
    "score": "Score a hand-in as the course does",
    "record": "Put a colleague's scores on the same board",
    "models": "List every registered detector",
    "check": "Run the conformance checks on a detector",
    "describe": "Say what files of ratings hold",
    "statistics": "Describe every user of a log of any size",
    "explain": "Say why the best run scores a user as it does",
    "ui": "Serve the runs of a lab in MLflow's UI",
}


@pytest.mark.parametrize(("name", "summary"), COMMANDS.items())
def test_every_command_explains_itself(name, summary, cli):
    ran = cli(name, "--help")
    assert ran.code == 0
    assert summary in ran.out
    assert summary.partition(" ")[0] in cli("--help").out


def test_help_lists_every_command_and_no_other(cli):
    out = cli("--help").out
    assert all(name in out for name in COMMANDS)
    assert cli("tunes").code == 2


def test_the_commands_are_those_of_a_process_of_its_own():
    ran = subprocess.run(command("--help"), capture_output=True, text=True, check=True)
    assert all(name in ran.stdout for name in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["evaluate"],
        ["export", "--run"],
        ["tune", "--trials", "many"],
        ["describe"],
        ["evaluate", "lof", "--seeds", "0"],
    ],
)
def test_options_that_cannot_be_read_end_with_2(arguments, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = cli(*arguments)
    assert ran.code == 2
    assert ran.out == ""
    assert ran.err
    assert not [*tmp_path.iterdir()]


def broken_rounds(folder, files):
    """Write a file for each way in which a round can be wrong; return it with a word its message must have."""
    with np.load(files["a"]) as good:
        X, y = good["X"], good["y"]
    nan = X.astype(float)
    nan[3, 2] = np.nan
    archives = {
        "nan": ({"X": nan, "y": y}, "row 3"),
        "stranger": ({"X": X, "y": np.vstack([y, [[999, 1]]])}, "999"),
        "twice": ({"X": X, "y": np.vstack([y, y[:1]])}, "y"),
        "two": ({"X": X, "y": np.where(y == 1, 7, y)}, "y"),
        "one_class": ({"X": X, "y": y * [1, 0]}, "y"),
        "objects": ({"X": X.astype(object), "y": y}, "X"),
        "keyless": ({"ratings": X, "y": y}, "X"),
        "unlabelled": ({"X": X}, "y"),
        "empty": ({"X": X[:0], "y": y}, "X"),
    }
    for name, (arrays, word) in archives.items():
        np.savez(folder / f"{name}.npz", **arrays)
        yield folder / f"{name}.npz", word
    (folder / "cut.npz").write_bytes(files["a"].read_bytes()[:500])
    yield folder / "cut.npz", "npz"
    (folder / "text.npz").write_text("user,item,rating\n1,2,3\n")
    yield folder / "text.npz", "npz"
    yield folder / "absent.npz", "no such file"
    (folder / "rows.csv").write_text("user,item,rating,label\n1,2,1,0\n1,3\n")
    yield folder / "rows.csv", "3"


def test_a_broken_round_is_one_line_and_nothing_is_written(cli, files, tmp_path):
    folder = tmp_path / "rounds"
    folder.mkdir()
    for path, word in [*broken_rounds(folder, files)]:
        store = tmp_path / "lab"
        refused(cli("tune", "--round", files["b"], "--round", path, "--store", store), path, word)
        assert not store.exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--detector", "mahalanobi"], ["no model 'mahalanobi'", "did you mean mahalanobis?"]),
        (["--detector", "zzz"], ["no model 'zzz'", "known: next-round"]),
        (["--families", "profile,popular"], ["no feature family 'popular'", "popularity"]),
        (["--protocol", "next"], ["--protocol must be one of next-round, in-round, forward"]),
        (["--trials", "0"], ["--trials"]),
        (["--jobs", "0"], ["--jobs"]),
        (["--timeout", "-1"], ["--timeout"]),
        (["--seed", "-1"], ["--seed"]),
        (["--scale", "starz"], ["starz"]),
        (["--scale", "stars"], ["a.npz"]),
        (["--columns", "user"], ["--columns must be name=value, found 'user'"]),
        (["--features", "absent.csv"], ["absent.csv"]),
        (["--config", "absent.toml"], ["absent.toml"]),
    ],
)
def test_a_wrong_option_is_one_line_and_nothing_is_written(options, words, cli, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(cli("tune", *round_options(files), *options), *words)
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize("options", [["--detector", "mahalanobi"], ["--trials", "0"], ["--protocol", "next"]])
def test_a_wrong_option_makes_no_embedded_course(options, cli, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(cli("tune", *options))
    assert not [*tmp_path.iterdir()]


def test_a_round_given_twice_is_told(cli, files, tmp_path):
    refused(cli("tune", "--round", files["a"], "--round", files["a"], "--store", tmp_path / "lab"), "twice")
    again = tmp_path / "again.npz"
    again.write_bytes(files["a"].read_bytes())
    refused(cli("tune", "--round", files["a"], "--round", again, "--store", tmp_path / "lab"), "a", "again")
    assert not (tmp_path / "lab").exists()


@pytest.mark.parametrize("line", ["trails = 3", "trials = '3'", "detectors = ['lof'"])
def test_a_wrong_config_is_told_by_file(line, cli, files, tmp_path):
    config = tmp_path / "study.toml"
    config.write_text(line)
    refused(cli("tune", *round_options(files), "--config", config, "--store", tmp_path / "lab"), config)
    assert not (tmp_path / "lab").exists()


@pytest.mark.usefixtures("plugins")
def test_a_tune_ends_with_the_board_what_failed_and_what_to_do_next(cli, files, fresh_store):
    options = ["--trials", 1, "--jobs", 1, "--families", "profile", "--store", fresh_store, "--detector", "raises"]
    ran = cli("tune", *round_options(files), *options)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err.endswith("found that all failed: raises: ValueError: no luck today [/bold]\n")
    ran = cli("tune", *round_options(files), *options, "--detector", "counts")
    assert ran.code == 0
    assert "Question next-round on a + b" in ran.out
    assert "counts" in ran.out
    assert "chance: flag everyone" in ran.out
    assert "Expect of the next round: AUC 0." in ran.out
    assert "is the luck of the only run; rounds differ" in ran.out
    assert f"anomaly-lab export --batch NEXT.npz --out scores.npz --store {fresh_store}" in ran.out
    assert "[2/2] counts 0: AUC" in ran.err
    assert "failed: raises: ValueError: no luck today [/bold]" in ran.err


@pytest.mark.slow
def test_settings_of_a_file_give_way_to_options(cli, files, fresh_store, tmp_path):
    config = tmp_path / "study.toml"
    config.write_text(
        f"rounds = {[str(files['a']), str(files['b'])]}\ndetectors = ['lof']\ntrials = 1\njobs = 1\nstore = 'lab'\n"
    )
    assert fresh_store == tmp_path / "lab"
    ran = cli("tune", "--config", config, "--detector", "mahalanobis", "--families", "profile", "--json")
    assert ran.code == 0
    board = json.loads(ran.out)
    assert [row["detector"] for row in board["rows"]] == ["mahalanobis"]
    assert {key: board[key] for key in ("failures", "interrupted", "protocol")} == {
        "failures": {},
        "interrupted": False,
        "protocol": "next-round",
    }
    assert list(facts(fresh_store)) == [("mahalanobis", 0)]


@pytest.mark.usefixtures("plugins")
def test_a_broken_plugin_asked_for_by_name_ends_with_2(cli, files, tmp_path):
    options = ["--detector", "broken-import", "--store", tmp_path / "lab"]
    refused(cli("tune", *round_options(files), *options), "'broken-import'", "no licence server", "lab-test-plugins")
    assert not (tmp_path / "lab").exists()


def test_the_board_in_every_form(cli, reference):
    store, result = reference
    whole = result.board.table
    text = cli("leaderboard", "--store", store)
    assert text.code == 0
    assert "why this rank" in text.out
    board = json.loads(cli("leaderboard", "--store", store, "--json").out)
    assert board["question"] == result.board.question
    assert [set(row) for row in board["rows"]] == [set(COLUMNS)] * len(whole)
    assert [row["auc"] for row in board["rows"]] == pytest.approx(whole["auc"].tolist(), abs=1e-12)
    csv = cli("leaderboard", "--store", store, "--csv").out.splitlines()
    assert csv[0] == ",".join(COLUMNS)
    assert len(csv) == 1 + len(whole)
    markdown = cli("leaderboard", "--store", store, "--markdown").out.splitlines()
    assert markdown[1].startswith("| --- |")
    assert len({line.count("|") for line in markdown}) == 1
    every = json.loads(cli("leaderboard", "--store", store, "--all", "--json").out)["rows"]
    assert len(every) == len(facts(store))
    assert {row["runs"] for row in every} == {1}


@pytest.mark.slow
def test_several_labs_are_one_board(cli, reference, new_store):
    other = new_store("other")
    copy = copy_run(trial_runs(reference[0])[0], other)
    both = json.loads(cli("leaderboard", "--store", reference[0], "--store", other, "--json", "--all").out)["rows"]
    assert len(both) == len(facts(reference[0])) + 1
    assert {row["run_id"] for row in both if row["store"] == str(other)} == {copy}


def test_a_lab_without_runs_says_what_to_run(cli, tmp_path, fresh_store):
    for arguments in (["leaderboard"], ["export", "--batch", "next.npz", "--out", "scores.npz"], ["ui"]):
        ran = cli(*arguments, "--store", tmp_path / "nowhere")
        assert (ran.code, ran.out) == (2, "")
        assert "nowhere: there must be a lab with runs, found none; run `anomaly-lab tune` first" in ran.err
    refused(cli("leaderboard", "--store", fresh_store), "found none", "run `anomaly-lab tune` first")
    assert not (tmp_path / "nowhere").exists()


def test_an_unknown_question_is_told_with_the_known_ones(cli, reference):
    refused(cli("leaderboard", "--store", reference[0], "--question", "zz"), "next-round on a + b")


def test_models_are_listed_with_their_summaries(cli):
    ran = cli("models", "--json")
    rows = {row["name"]: row for row in json.loads(ran.out)}
    assert set(MODELS.built_in) <= set(rows)
    assert all(row["summary"].endswith(".") for row in rows.values() if row["from"] == "built-in")
    text = cli("models").out
    assert "Ledoit and Wolf" in text
    assert text.count("pyod:NAME") == 1
    assert "pyod:NAME" not in rows


@pytest.mark.parametrize("arguments", [["--help"], ["models"], ["models", "--json"], ["attacks"]])
def test_a_list_imports_nothing_heavy_and_nothing_that_it_lists(arguments, tmp_path):
    code = (
        f"import sys\nsys.argv = ['anomaly-lab', *{arguments}]\nfrom experiments.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'numpy', 'pandas', 'scipy', 'sklearn', 'mlflow', 'optuna', 'rich', 'imblearn'} & set(sys.modules)\n"
        "listed = ('anomaly_lab.detectors.', 'anomaly_lab.attacks.', 'experiments.cli_')\n"
        "found = {name for name in sys.modules if name.startswith(listed)} - {'experiments.cli_models'}\n"
        "sys.exit(f'imported: {heavy} {found}' if heavy or found else 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout


def test_a_mistyped_command_is_told_the_nearest(cli):
    ran = cli("modles")
    assert ran.code == 2
    assert "models" in ran.err


@pytest.mark.usefixtures("plugins")
def test_a_plugin_that_cannot_be_read_is_listed_with_its_error(cli):
    rows = {row["name"]: row for row in json.loads(cli("models", "--json").out)}
    assert rows["counts"]["from"] == "lab-test-plugins"
    assert rows["counts"]["summary"] == "Scores users by how many ratings they gave."
    assert rows["broken-import"]["summary"].startswith("BROKEN: ")


def test_describing_files(cli, files):
    table = json.loads(cli("describe", files["a"], files["next"], "--json").out)
    assert table["a"]["users"] == "50"
    assert table["next"]["labels"] == "hidden"
    text = cli("describe", files["a"])
    assert text.code == 0
    assert "ratings per user" in text.out
    refused(cli("describe", "absent.npz"), "absent.npz")


def test_tables_of_any_columns(cli, files, tmp_path):
    with np.load(files["a"]) as archive:
        frame = pd.DataFrame(archive["X"], columns=["who", "what", "how"])
        frame["fake"] = frame["who"].map(dict(archive["y"].tolist()))
    frame.to_csv(tmp_path / "a.csv", index=False)
    names = ["--columns", "user=who", "--columns", "item=what", "--columns", "rating=how", "--columns", "label=fake"]
    table = json.loads(cli("describe", tmp_path / "a.csv", *names, "--json").out)
    known = json.loads(cli("describe", files["a"], "--json").out)
    assert {key: one for key, one in table["a"].items() if key != "digest"} == {
        key: one for key, one in known["a"].items() if key != "digest"
    }
    refused(cli("describe", tmp_path / "a.csv", *names[:-4]), "a.csv")
    refused(cli("describe", tmp_path / "a.csv", "--columns", "author=who"), "author")


def test_evaluating_a_detector(cli, files):
    options = ["--train", files["a"], "--test", files["b"], "--set", "n_neighbors=3"]
    ran = json.loads(cli("evaluate", "knn-distance", *options, "--seeds", 2, "--json").out)
    assert [(one["seed"], one["query"]) for one in ran["runs"]] == [(0, "b"), (1, "b")]
    assert ran["summary"]["auc"]["mean"] == ran["runs"][0]["auc"]
    text = cli("evaluate", "knn-distance", "--train", files["a"])
    assert text.code == 0
    assert "this does not predict the next round" in text.out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["mahalanobi"], "did you mean mahalanobis?"),
        (["knn-distance", "--set", "n_neighbors"], "--set must be name=value, found 'n_neighbors'"),
        (["knn-distance", "--set", "n_neighbors=many"], "n_neighbors must be of type int, found many"),
        (["knn-distance", "--set", "n_neighbors=1000"], "n_neighbors must lie in [1, 60], found 1000"),
        (["knn-distance", "--set", "depth=3"], "has no parameter 'depth'"),
    ],
)
def test_a_wrong_evaluation_is_one_line(arguments, word, cli, files):
    refused(cli("evaluate", *arguments, "--train", files["a"], "--test", files["b"]), word)


@pytest.mark.slow
def test_our_own_fault_ends_with_1_and_a_traceback(plugins, files):
    """A plugin's fault in `evaluate` is shown whole to its author."""
    ran = subprocess.run(
        command("evaluate", "raises", "--train", files["a"], "--test", files["b"]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "Traceback" in ran.stderr
    assert "ValueError: no luck" in ran.stderr
