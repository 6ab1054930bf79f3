"""The scoring program of a bundle: run in a process of its own, on submissions as Codabench lays them out."""

import io
import json
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_lab.evaluation.composite import class_metrics
from anomaly_lab.evaluation.metrics import score_metrics
from tracking.course.codabench import scoring

PROGRAM = Path(scoring.__file__)
FIGURES = ("auc", "f1", "precision", "recall", "average_precision")
N_USERS = 40
FAKE = np.arange(N_USERS) % 4 == 0
KINDS = np.where(FAKE, 1 + np.arange(N_USERS) % 3, 0)
SCORES = np.random.default_rng(1).random(N_USERS)
CLASSES = np.random.default_rng(2).random((N_USERS, 4))


class Ran(NamedTuple):
    """A finished run: its exit code, what it told, and the figures, None where it wrote none."""

    code: int
    err: str
    out: str
    figures: dict[str, float] | None
    page: Path


def finished(folder, code, out, err):
    written = folder / "output" / "scores.json"
    figures = json.loads(written.read_text()) if written.exists() else None
    return Ran(code, err, out, figures, folder / "output" / "detailed_results.html")


def run_alone(folder):
    """Run the program as the platform does: a process of its own, in its folder, without this project."""
    ran = subprocess.run(
        [sys.executable, "-I", PROGRAM.name, folder / "input", folder / "output"],
        cwd=PROGRAM.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return finished(folder, ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture
def lay_out(tmp_path):
    """Lay files, given as bytes by their names, out beside the truth of forty users."""

    def write(files, *, kinds=False, columns=FIGURES, round_name="round2"):
        for name in ("input/ref", "input/res", "output"):
            (tmp_path / name).mkdir(parents=True)
        truth = {"users": 100 + np.arange(N_USERS), "fake": FAKE.astype(int)} | ({"kinds": KINDS} if kinds else {})
        np.savez(tmp_path / "input/ref/truth.npz", **truth)
        settings = {
            "round": round_name,
            "n_ratings": 555,
            "earlier": {"round1": 33},
            "columns": list(columns),
            "max_megabytes": 1,
        }
        (tmp_path / "input/ref/settings.json").write_text(json.dumps(settings))
        for name, content in files.items():
            (tmp_path / "input/res" / name).parent.mkdir(exist_ok=True)
            (tmp_path / "input/res" / name).write_bytes(content)
        return tmp_path

    return write


@pytest.fixture
def run(lay_out, capsys):
    """Score such files in this process, which takes a tenth of the time."""

    def score(files, **settings):
        folder = lay_out(files, **settings)
        capsys.readouterr()
        code = scoring.main([str(folder / "input"), str(folder / "output")])
        return finished(folder, code, *capsys.readouterr())

    return score


def npz(array, key="predictions", **more):
    buffer = io.BytesIO()
    np.savez(buffer, **{key: np.asarray(array)}, **more)
    return buffer.getvalue()


def npy(array):
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def csv(users, scores, header="user,score"):
    return "\n".join([header, *(f"{user},{score}" for user, score in zip(users, scores, strict=True))]).encode()


def bomb(dtype="<f8", shape=(10**12,)):
    """Return an archive of an array whose header claims more than it holds."""
    header, buffer = io.BytesIO(), io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": dtype, "fortran_order": False, "shape": shape})
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("predictions.npy", header.getvalue())
    return buffer.getvalue()


def swollen(n_members=1, size=2**21, method=zipfile.ZIP_DEFLATED):
    """Return a small archive that unpacks to much."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for number in range(n_members):
            archive.writestr(f"a{number}.npy", b"\0" * size)
    return buffer.getvalue()


class Traitor:
    def __reduce__(self):
        return (Path("betrayed").touch, ())


SHUFFLED = np.random.default_rng(3).permutation(N_USERS)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("predictions.npz", npz(SCORES)),
        ("scores.npz", npz(SCORES, "arr_0")),
        ("scores.npz", npz(SCORES, "probabilities", other=np.zeros(3))),
        ("scores.npy", npy(SCORES)),
        ("scores.csv", csv(100 + SHUFFLED, SCORES[SHUFFLED].tolist())),
        ("scores.csv", csv(SCORES[SHUFFLED].tolist(), 100 + SHUFFLED, "score,user")),
    ],
)
def test_every_form_gets_the_figures_of_the_organisers_own_board(name, content, run):
    ran = run({name: content, ".DS_Store": b"x", "__MACOSX/._scores": b"x"})
    assert (ran.code, ran.err, ran.out) == (0, "", "")
    own = score_metrics(FAKE.astype(int), SCORES, 0.5)
    assert ran.figures == pytest.approx({name: own[name] for name in FIGURES}, abs=1e-12)


@pytest.mark.parametrize("key", ["composite", "mean_ovr_auc"])
def test_class_scores_are_ranked_by_composites(key, run):
    ran = run({"predictions.npz": npz(CLASSES)}, kinds=True, columns=(key, *FIGURES))
    own = score_metrics(FAKE.astype(int), 1 - CLASSES[:, 0], 0.5) | class_metrics(KINDS, CLASSES)
    assert ran.figures == pytest.approx({name: own[name] for name in (key, *FIGURES)}, abs=1e-12)


def test_class_scores_count_as_one_score_a_user_where_that_ranks(run):
    ran = run({"predictions.npz": npz(CLASSES)}, kinds=True)
    assert ran.figures["auc"] == pytest.approx(
        score_metrics(FAKE.astype(int), 1 - CLASSES[:, 0], 0.5)["auc"], abs=1e-12
    )


WITH_NAN = np.where(np.arange(N_USERS) == 7, np.nan, SCORES)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({}, "found nothing"),
        ({"scores/predictions.npz": npz(SCORES)}, "zip the file itself, not its folder"),
        ({"a.npz": npz(SCORES), "b.csv": b""}, "hand in one of them"),
        ({"scores.txt": b"1"}, "predictions.npz, found 'scores.txt'"),
        ({"p.npz": npz(np.tile(SCORES, 20)[:555])}, "555: one score per rating row?"),
        ({"p.npz": npz(np.tile(SCORES, 5))}, "200: one score per rating row?"),
        ({"p.npz": npz(SCORES[:33])}, "as many as round round1 has"),
        ({"p.npz": npz(SCORES[:-1])}, "each of the 40 users of round round2, found 39\n"),
        ({"p.npz": npz(np.column_stack([SCORES, SCORES > 0.5]))}, "extra column of predicted classes?"),
        ({"p.npz": npz(np.column_stack([np.arange(N_USERS) + 5, SCORES]))}, "extra column of user ids?"),
        ({"p.npz": npz(SCORES[:, None])}, "scores.ravel()"),
        ({"p.npz": npz(CLASSES)}, "scores of several classes?"),
        ({"p.npz": npz(SCORES, "y_pred")}, "under key 'predictions', found 'y_pred'"),
        ({"p.npz": npz(SCORES > 0.5)}, "found only 0 and 1: hard labels?"),
        ({"p.npz": npz(np.where(SCORES > 0.5, 1, -1))}, "found only -1 and 1: hard labels?"),
        ({"p.npz": npz(WITH_NAN)}, "found nan in row 7"),
        ({"p.npz": npz(np.where(np.isnan(WITH_NAN), -np.inf, SCORES))}, "found -inf in row 7"),
        ({"p.npz": npz(SCORES.astype(str))}, "must hold numbers, found dtype"),
        ({"p.npz": npz(np.array([Traitor()], object))}, "never unpickled"),
        ({"p.npy": pickle.dumps(Traitor())}, "found a broken one"),
        ({"p.npz": npz(SCORES)[:-30]}, "found a broken one"),
        ({"p.npz": bomb()}, "must unpack to at most 1 MB"),
        ({"p.npz": bomb(shape=(-1, -1))}, "found a broken one"),
        ({"p.npz": swollen()}, "must unpack to at most 1 MB, found 2.0 MB"),
        ({"p.npz": swollen(17, 1)}, "at most 16 arrays, found 17"),
        ({"p.npz": swollen(1, 2**19, zipfile.ZIP_LZMA)}, "another compression"),
        ({"p.npy": b"\0" * 2**21}, "must unpack to at most 1 MB, found 2.0 MB"),
        ({"p.csv": csv(np.arange(N_USERS), SCORES)}, "users of round round2, found none for user 100"),
        ({"p.csv": csv([100] * N_USERS, SCORES)}, "found user '100' twice"),
        ({"p.csv": csv(100 + np.arange(N_USERS), ["x"] * N_USERS)}, "line 2: a score must be a number, found 'x'"),
        ({"p.csv": csv(100 + np.arange(N_USERS), SCORES, "user,score,class")}, "columns user and score and no other"),
        ({"p.csv": csv(100 + np.arange(N_USERS), ["1,1"] * N_USERS)}, "found 3 cells"),
        ({"p.csv": b"\xff\xfe"}, "found a broken one"),
    ],
)
def test_an_accident_is_named_in_one_line_and_leaves_no_scores(files, words, run):
    ran = run(files)
    assert (ran.code, ran.figures, ran.out) == (2, None, "")
    assert ran.err.startswith("refused: ")
    assert words in ran.err
    assert ran.err.count("\n") == 1
    assert not Path("betrayed").exists()


def test_a_link_is_not_followed(lay_out, tmp_path):
    folder = lay_out({})
    (tmp_path / "secret.npz").write_bytes(npz(SCORES))
    (folder / "input/res/p.npz").symlink_to(tmp_path / "secret.npz")
    assert scoring.main([str(folder / "input"), str(folder / "output")]) == 2
    assert not (folder / "output/scores.json").exists()


def test_the_program_stands_alone(lay_out):
    folder = lay_out({"predictions.npz": npz(SCORES)})
    good = run_alone(folder)
    assert (good.code, good.err, good.out) == (0, "", "")
    own = score_metrics(FAKE.astype(int), SCORES, 0.5)
    assert good.figures == pytest.approx({name: own[name] for name in FIGURES}, abs=1e-12)
    (folder / "output/scores.json").unlink()
    (folder / "input/res/predictions.npz").write_bytes(npz(WITH_NAN))
    bad = run_alone(folder)
    assert (bad.code, bad.figures, bad.out) == (2, None, "")
    assert bad.err.startswith("refused: 'predictions.npz', key 'predictions', must hold finite scores")


def test_a_board_ranked_by_composites_needs_class_scores(run):
    ran = run({"p.npz": npz(SCORES)}, kinds=True, columns=("composite", *FIGURES))
    assert (ran.code, ran.figures) == (2, None)
    assert "a column of scores for every class" in ran.err


@pytest.mark.parametrize(
    ("scores", "words"),
    [(np.full(N_USERS, 0.3), "every score is 0.3"), (SCORES / 3, "flags no one"), (SCORES + 1, "flags everyone")],
)
def test_what_a_team_should_know_is_noted_and_counts(scores, words, run):
    ran = run({"p.npz": npz(scores)})
    assert ran.code == 0
    assert words in ran.err
    assert ran.err.startswith("note: ")
    assert words in ran.page.read_text()
    assert ran.figures["auc"] == pytest.approx(score_metrics(FAKE.astype(int), scores, 0.5)["auc"], abs=1e-12)


def test_the_page_of_results_is_escaped_and_loads_nothing(run):
    page = run({"p.npz": npz(SCORES)}, round_name="<script>x</script>").page.read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not any(word in page for word in ("http", "src=", "href="))


LEVELS = st.sampled_from([-1e300, -1.0, -0.0, 0.0, 1e-300, 0.25, 0.5, np.nextafter(0.5, 1), 0.75, 1e300])


@given(
    st.lists(st.tuples(st.booleans(), LEVELS | st.floats(-1e6, 1e6)), min_size=2, max_size=60).filter(
        lambda users: len({fake for fake, _ in users}) == 2
    )
)
def test_figures_equal_the_organisers_own(users):
    fake = np.array([fake for fake, _ in users], dtype=int)
    scores = np.array([score for _, score in users])
    own = score_metrics(fake, scores, 0.5)
    found = scoring.binary_figures(fake, scores)
    assert found == pytest.approx({name: own[name] for name in found}, abs=1e-12, rel=0)
    assert set(found) == set(FIGURES)


@given(st.data())
def test_composites_equal_the_organisers_own(data):
    kinds = np.array([0, 1, *data.draw(st.lists(st.integers(0, 4), max_size=30))])
    row = st.lists(LEVELS, min_size=3, max_size=3)
    classes = np.array([data.draw(row) for _ in kinds])
    own, found = class_metrics(kinds, classes), scoring.class_figures(kinds, classes)
    assert found == pytest.approx({name: own[name] for name in found}, abs=1e-12, rel=0)
    assert set(found) == {"composite", "mean_ovr_auc"}
