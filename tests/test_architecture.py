"""What stands where: one direction between the three packages, and each foreign package in its own room."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("anomaly_lab", "tracking", "experiments")
LONGEST = 350
STUDY_CODE = ("create_study", "load_study", "delete_study", "samplers", "storages", "study", "pruners")
MACHINE = re.compile(r"(?<![\w.~/-])/(?:" + "|".join(("work", "tmp", "opt", "home", "root", "mnt", "Users")) + r")/\w")
BINARY = {".png", ".npz", ".parquet"}


def sources(package):
    """Return the modules of a package; benchmarks are scripts beside it."""
    return sorted(path for path in (ROOT / package).rglob("*.py") if "bench" not in path.relative_to(ROOT).parts)


def own_files():
    """Return the files of the repository, or all that lie here where there is no git."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode == 0 and listed.stdout:
        return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]
    return [path for package in (*PACKAGES, "tests") for path in sources(package)]


def imported(path):
    """Return every dotted name a module imports, wherever in it, and every attribute of a name it spells out."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names.add(f"{node.value.id}.{node.attr}")
    return names


def offenders(package, forbidden):
    found = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in sources(package)
        for name in imported(path)
        if any(name == one or name.startswith(f"{one}.") for one in forbidden)
    }
    return sorted(found)


@pytest.mark.parametrize(
    ("package", "forbidden"),
    [
        ("anomaly_lab", ["tracking", "experiments", "mlflow", "typer", "rich"]),
        ("tracking", ["experiments", "typer", "rich"]),
        ("experiments", ["mlflow"]),
    ],
)
def test_each_package_imports_only_what_lies_below_it(package, forbidden):
    assert sources(package)
    assert offenders(package, forbidden) == []


@pytest.mark.parametrize("package", ["anomaly_lab", "tracking"])
def test_studies_are_run_in_experiments_only(package):
    assert offenders(package, [f"optuna.{name}" for name in STUDY_CODE]) == []
    whole = [f"{path}" for path in sources(package) if "optuna" in imported(path)]
    assert whole == [], "import what is needed of optuna by name"


def test_mlflow_is_spoken_to_in_tracking():
    assert offenders("tracking", ["mlflow"])


def test_no_file_is_long():
    lengths = {
        path: len(path.read_text(encoding="utf-8").splitlines()) for package in PACKAGES for path in sources(package)
    }
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n > LONGEST} == {}


def test_no_file_knows_the_machine_it_was_written_on():
    found = []
    for path in own_files():
        if path.suffix in BINARY:
            continue
        lines = path.read_text(encoding="utf-8").splitlines()
        found += [f"{path.relative_to(ROOT)}:{n}: {line}" for n, line in enumerate(lines, 1) if MACHINE.search(line)]
    assert found == []


def test_the_package_list_names_every_package():
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for package in PACKAGES:
        for folder in {path.parent for path in sources(package)}:
            assert f'"{".".join(folder.relative_to(ROOT).parts)}"' in text
