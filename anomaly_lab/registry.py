"""Registries: models, feature families and attacks by name, built in or installed, listed without an import."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cache, cached_property
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from anomaly_lab.errors import ConfigError, PluginError

BUILT_IN = "built-in"
EXTRAS: Mapping[str, tuple[str, ...]] = {"neural": ("jax", "optax"), "pyod": ("pyod",)}
"""What must be importable for models whose literal ``extra`` names it."""


@dataclass(frozen=True)
class Entry:
    """One registered name.

    Parameters
    ----------
    name : str
        What users type and boards show.
    target : str
        Where it is defined: ``"module:Class"``.
    origin : str
        ``"built-in"``, or the name of the distribution that registers it.
    """

    name: str
    target: str
    origin: str = BUILT_IN

    def load(self) -> Any:
        """Import and return the registered object.

        Raises
        ------
        PluginError
            If the module or the attribute cannot be imported; the message says whose it is, or which command installs
            the extra it needs.
        """
        module, _, attribute = self.target.partition(":")
        if missing := self.missing:
            raise PluginError(f"'{self.name}' {missing}")
        try:
            return getattr(importlib.import_module(module), attribute)
        except Exception as error:  # a plugin may fail in any way while it is imported
            raise PluginError(
                f"'{self.name}' ({self.target}, from {self.origin}) cannot be loaded: "
                f"{type(error).__name__}: {error}; mend or uninstall it"
            ) from error

    @property
    def missing(self) -> str:
        """What a built-in model's ``extra`` lacks here and the command that installs it; empty if there is all."""
        extra = self.constant("extra") if self.origin == BUILT_IN else None
        missing = [name for name in EXTRAS.get(str(extra), ()) if importlib.util.find_spec(name) is None]
        if not missing:
            return ""
        return (
            f"needs {' and '.join(missing)}, found nothing of that name; "
            f"install with: pip install 'anomaly-lab[{extra}]'"
        )

    @cached_property
    def _definition(self) -> ast.ClassDef | ast.FunctionDef:
        """The definition as it stands in the source: reading it runs none of the module."""
        module, _, attribute = self.target.partition(":")
        spec = importlib.util.find_spec(module)
        if spec is None or spec.origin is None:
            raise PluginError(f"module {module} not found")
        source = Path(spec.origin).read_text(encoding="utf-8")
        tree = ast.parse(_own_lines(source, attribute) if self.origin == BUILT_IN else source)
        for node in tree.body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == attribute:
                return node
        raise PluginError(f"module {module} does not define {attribute}")

    @cached_property
    def error(self) -> str | None:
        """Why the entry cannot be read, None if it can. An error that shows on import only is found by `load`."""
        try:
            _ = self._definition
        except (ImportError, SyntaxError, OSError, ValueError) as error:
            return f"{type(error).__name__}: {error}" if not isinstance(error, PluginError) else str(error)
        return None

    @property
    def summary(self) -> str:
        """First line of the docstring, empty if the entry cannot be read."""
        if self.error is not None:
            return ""
        return (ast.get_docstring(self._definition) or "").partition("\n")[0]

    def constant(self, name: str) -> Any:
        """Return a literal class attribute as it stands in the source, None if there is none."""
        if self.error is not None:
            return None
        for node in self._definition.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name:
                return ast.literal_eval(node.value) if node.value is not None else None
        return None


@dataclass(frozen=True)
class Registry:
    """Names of one sort of plugin.

    Parameters
    ----------
    sort : str
        What the names stand for, in messages: ``"model"``.
    group : str
        Entry-point group that other distributions register in.
    built_in : mapping of str to str
        Built-in names and their targets, ``"module:Class"``; they take the same path as plugins.
    adapters : mapping of str to str
        Prefixes of names that another library answers for, and the classes behind them: ``pyod:ECOD``.
    """

    sort: str
    group: str
    built_in: Mapping[str, str] = field(default_factory=dict)
    adapters: Mapping[str, str] = field(default_factory=dict)

    def entries(self) -> dict[str, Entry]:
        """Return every registered entry by name, built-in ones first.

        Raises
        ------
        PluginError
            If two entries share a name; the message names both.
        """
        found = {name: _built_in(name, target) for name, target in self.built_in.items()}
        for entry in _installed(self.group, tuple(sys.path)):
            if entry.name in found:
                other = found[entry.name]
                raise PluginError(
                    f"two {self.sort}s are called '{entry.name}': {other.target} ({other.origin}) and "
                    f"{entry.target} ({entry.origin}); rename one or uninstall it"
                )
            found[entry.name] = entry
        return found

    def get(self, name: str) -> Entry:
        """Return the entry of one name.

        Raises
        ------
        ConfigError
            If there is none; the message suggests the nearest names.
        """
        entries = self.entries()
        prefix, colon, rest = name.partition(":")
        if colon and prefix in self.adapters:
            return _adapted(name, self.adapters[prefix], rest)
        if name not in entries:
            near = get_close_matches(name, entries, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(entries)}"
            raise ConfigError(f"there is no {self.sort} '{name}'; {hint}")
        return entries[name]

    def load(self, name: str) -> Any:
        """Import and return the object registered under a name."""
        return self.get(name).load()


def _adapted(name: str, target: str, rest: str) -> Entry:
    """Return the entry of a name that another library answers for."""
    module = target.partition(":")[0]
    entry = _Adapted(name, f"{module}:{rest}", base=target)
    if not entry.missing:
        importlib.import_module(module).check_name(rest)
    return entry


@dataclass(frozen=True)
class _Adapted(Entry):
    """An entry whose class is made when it is asked for; what stands in the source is its base."""

    base: str = ""

    @cached_property
    def _definition(self) -> ast.ClassDef | ast.FunctionDef:
        return Entry(self.name, self.base)._definition


def _own_lines(source: str, name: str) -> str:
    """Return the lines of one definition, for which the rest of a module of our own need not be parsed."""
    found = re.search(rf"^(?:class|def) {name}\b.*\n(?:[ )].*\n|\n)*", source, re.MULTILINE)
    return source if found is None else found.group()


@cache
def _built_in(name: str, target: str) -> Entry:
    """Return an entry of our own; kept, for it keeps what it reads in its source, which takes 5 ms."""
    return Entry(name, target)


@cache
def _installed(group: str, path: tuple[str, ...]) -> tuple[Entry, ...]:
    """Return what distributions on the import path register in a group; read once, for it takes some 40 ms."""
    points = sorted(entry_points(group=group), key=lambda point: (point.name, point.value))
    return tuple(Entry(point.name, point.value, _origin(point)) for point in points)


def _origin(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an installed distribution"


MODELS = Registry(
    "model",
    "anomaly_lab.models",
    {
        "next-round": "anomaly_lab.detectors.next_round:NextRoundDetector",
        "logistic-regression": "anomaly_lab.detectors.logistic_regression:LogisticRegressionDetector",
        "random-forest": "anomaly_lab.detectors.random_forest:RandomForestDetector",
        "gradient-boosting": "anomaly_lab.detectors.gradient_boosting:GradientBoostingDetector",
        "mlp": "anomaly_lab.detectors.mlp:MLPDetector",
        "one-class-svm": "anomaly_lab.detectors.one_class_svm:OneClassSVMDetector",
        "isolation-forest": "anomaly_lab.detectors.isolation_forest:IsolationForestDetector",
        "knn-distance": "anomaly_lab.detectors.knn_distance:KNNDistanceDetector",
        "kmeans-distance": "anomaly_lab.detectors.kmeans_distance:KMeansDistanceDetector",
        "lof": "anomaly_lab.detectors.lof:LocalOutlierFactorDetector",
        "mahalanobis": "anomaly_lab.detectors.mahalanobis:MahalanobisDetector",
        "gaussian-mixture": "anomaly_lab.detectors.gaussian_mixture:GaussianMixtureDetector",
        "stacked": "anomaly_lab.detectors.stacked:StackedDetector",
        "seed-notebook": "anomaly_lab.detectors.seed_notebook:SeedNotebookDetector",
        "degree-sad": "anomaly_lab.detectors.degree_sad:DegreeSADDetector",
        "pca-varselect": "anomaly_lab.detectors.pca_varselect:PCAVarSelectDetector",
        "fap": "anomaly_lab.detectors.fap:FAPDetector",
        "semi-sad": "anomaly_lab.detectors.semi_sad:SemiSADDetector",
        "biases": "anomaly_lab.recommenders.biases:BiasesRecommender",
        "item-knn": "anomaly_lab.recommenders.knn:ItemKNNRecommender",
        "user-knn": "anomaly_lab.recommenders.knn:UserKNNRecommender",
        "als": "anomaly_lab.recommenders.als:ALSRecommender",
        "bayesian-mf": "anomaly_lab.recommenders.bayesian_mf:BayesianMFRecommender",
        "popularity": "anomaly_lab.recommenders.popularity:PopularityRecommender",
        "pagerank": "anomaly_lab.recommenders.pagerank:PageRankRecommender",
        "ease": "anomaly_lab.recommenders.ease:EASERecommender",
        "ials": "anomaly_lab.recommenders.ials:IALSRecommender",
        "embedding-regressor": "anomaly_lab.recommenders.neural.embedding_regressor:EmbeddingRegressor",
        "neumf": "anomaly_lab.recommenders.neural.neumf:NeuMF",
        "gmf": "anomaly_lab.recommenders.neural.neumf:GMF",
        "neural-mlp": "anomaly_lab.recommenders.neural.neumf:NeuralMLP",
        "neumf-masked": "anomaly_lab.recommenders.neural.masked:MaskedNeuMF",
        "gmf-masked": "anomaly_lab.recommenders.neural.masked:MaskedGMF",
        "mlp-masked": "anomaly_lab.recommenders.neural.masked:MaskedMLP",
        "two-tower": "anomaly_lab.recommenders.neural.two_tower:TwoTower",
        "triplet": "anomaly_lab.recommenders.neural.triplet:TripletRecommender",
    },
    {"pyod": "anomaly_lab.detectors.pyod:PyODDetector"},
)

FEATURES = Registry(
    "feature family",
    "anomaly_lab.features",
    {
        "profile": "anomaly_lab.features.profile:profile",
        "agreement": "anomaly_lab.features.agreement:agreement",
        "popularity": "anomaly_lab.features.popularity:popularity",
        "likelihood": "anomaly_lab.features.likelihood:likelihood",
        "low-rank": "anomaly_lab.features.low_rank:low_rank",
        "neighbours": "anomaly_lab.features.neighbours:neighbours",
        "co-occurrence": "anomaly_lab.features.cooccurrence:cooccurrence",
        "copies": "anomaly_lab.features.copies:copies",
        "seed": "anomaly_lab.features.seed:seed",
    },
)

ATTACKS = Registry(
    "attack",
    "anomaly_lab.attacks",
    {
        "hybrid": "anomaly_lab.attacks.simulated:Hybrid",
        "uniform": "anomaly_lab.attacks.simulated:Uniform",
        "constant": "anomaly_lab.attacks.simulated:Constant",
        "gaussian": "anomaly_lab.attacks.simulated:Gaussian",
        "dirichlet": "anomaly_lab.attacks.simulated:Dirichlet",
        "two-level": "anomaly_lab.attacks.simulated:TwoLevel",
        "shuffled": "anomaly_lab.attacks.simulated:Shuffled",
        "item-average": "anomaly_lab.attacks.simulated:ItemAverage",
        "inverted": "anomaly_lab.attacks.simulated:Inverted",
        "perturbed": "anomaly_lab.attacks.simulated:Perturbed",
        "random": "anomaly_lab.attacks.shilling:RandomAttack",
        "average": "anomaly_lab.attacks.shilling:AverageAttack",
        "bandwagon": "anomaly_lab.attacks.shilling:Bandwagon",
        "reverse-bandwagon": "anomaly_lab.attacks.shilling:ReverseBandwagon",
        "segment": "anomaly_lab.attacks.shilling:Segment",
        "love-hate": "anomaly_lab.attacks.shilling:LoveHate",
        "popular": "anomaly_lab.attacks.shilling:Popular",
        "average-over-popular": "anomaly_lab.attacks.shilling:AverageOverPopular",
        "power-user": "anomaly_lab.attacks.shilling:PowerUser",
    },
)

DEFAULT_FAMILIES = ("profile", "agreement", "popularity", "likelihood")
"""Families a detector sees unless it or the user says otherwise."""

ALL_FAMILIES = (*DEFAULT_FAMILIES, "low-rank", "neighbours", "co-occurrence", "copies")
"""Families for which everyone is compared with everyone: some seconds a round."""
