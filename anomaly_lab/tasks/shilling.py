"""Task *shilling-benchmark*: who is generated in a genuine log to which fakes of one attack were added."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import ClassVar

import numpy as np

from anomaly_lab.attacks.base import load_attack
from anomaly_lab.attacks.course import mixed_round, people_of
from anomaly_lab.attacks.sized import sized_fakes
from anomaly_lab.attacks.source import Source
from anomaly_lab.errors import ConfigError, DataError
from anomaly_lab.evaluation.folds import Fold
from anomaly_lab.evaluation.metrics import MetricSpec
from anomaly_lab.features.panel import Levels
from anomaly_lab.provenance import code_of
from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.labels import Round
from anomaly_lab.ratings.pool import pool
from anomaly_lab.registry import ATTACKS
from anomaly_lab.tasks.fake_users import in_round, query_round
from anomaly_lab.types import FloatArray, IntArray

SAME_ATTACK, OTHER_ATTACKS = "same-attack", "other-attacks"
PROTOCOLS = {
    SAME_ATTACK: "labels of half of the users known, fakes of the very attack among them: the literature's way",
    OTHER_ATTACKS: "labels of another batch known, with fakes of every other attack but none of this one",
}
DEFAULT_ATTACKS = (
    "random",
    "average",
    "bandwagon",
    "segment",
    "reverse-bandwagon",
    "love-hate",
    "power-user",
    "average-over-popular",
    "hybrid",
)
DEFAULT_SIZES = (0.01, 0.03, 0.05, 0.1)
LABELLED_PARTS = 2
"""A same-attack round is cut into halves, each asked about with the labels of the other."""
SHARES = {SAME_ATTACK: (0.25, 0.75), OTHER_ATTACKS: (0.125, 0.5, 0.125, 0.25)}
"""Shares of the log's users: donors and genuine users of the batch asked about, then of the labelled batch."""
LABELLED_SIZE = 0.2
"""Fakes in the labelled batch as a share of its genuine users, dealt evenly to the other attacks."""
LABELLED_FILLERS = (0.01, 0.1)
"""The least and largest filler size there; at the sizes asked about, their very lengths would give the fakes away."""
FEWEST_USERS = 40
FEWEST_FAKES = 2


@dataclass(frozen=True)
class Cell:
    """One question of a benchmark.

    Parameters
    ----------
    protocol : str
        One of `PROTOCOLS`.
    attack : str
        Registered name.
    attack_size : float
        Fakes as a share of the genuine users asked about, in (0, 1].
    filler_size : float
        Items that each fake rates as a share of all items, in (0, 1].
    seed : int
        Seed of who is dealt where and of the fakes.
    """

    protocol: str
    attack: str
    attack_size: float
    filler_size: float
    seed: int

    @property
    def name(self) -> str:
        """What jobs call it: ``same-attack random 0.01 0.03 seed 0``."""
        return f"{self.protocol} {self.attack} {self.attack_size:g} {self.filler_size:g} seed {self.seed}"


@dataclass(frozen=True)
class ShillingBenchmark:
    """Ask a cell for each attack, attack size, filler size and seed.

    Users of the log with enough ratings are dealt at random, by the seed alone: every attack of a seed meets the same
    people. Fakes are made from donors, who are in no batch. Ids tell nothing, rows are sorted, times are left out.

    Parameters
    ----------
    attacks : tuple of str
        Registered attacks.
    attack_sizes, filler_sizes : tuple of float
        Shares, as in `Cell`.
    n_seeds : int
        Seeds, from 0 on.

    Raises
    ------
    ConfigError
        If an attack is unknown, a setting lies outside its range or stands twice.
    """

    name: ClassVar[str] = "shilling-benchmark"
    version: ClassVar[int] = 1
    primary: ClassVar[MetricSpec] = MetricSpec("auc", "maximize", "area under the ROC curve, mean over cells")
    tie_breaker: ClassVar[MetricSpec] = MetricSpec(
        "average_precision", "maximize", "average precision, mean over cells"
    )
    protocols: ClassVar[Mapping[str, str]] = PROTOCOLS

    attacks: tuple[str, ...] = DEFAULT_ATTACKS
    attack_sizes: tuple[float, ...] = DEFAULT_SIZES
    filler_sizes: tuple[float, ...] = DEFAULT_SIZES
    n_seeds: int = 2

    def __post_init__(self) -> None:
        for attack in self.attacks:
            load_attack(attack)
        for option, values in (
            ("--attack", self.attacks),
            ("--attack-size", self.attack_sizes),
            ("--filler-size", self.filler_sizes),
        ):
            if len(set(values)) < len(values) or not values:
                raise ConfigError(f"{option} must name at least one, each once, found {', '.join(map(str, values))}")
        for option, sizes in (("--attack-size", self.attack_sizes), ("--filler-size", self.filler_sizes)):
            for size in sizes:
                if not 0 < size <= 1:
                    raise ConfigError(f"{option} must be a share in (0, 1], such as 0.05, found {size:g}")
        if self.n_seeds < 1:
            raise ConfigError(f"--seeds must be at least 1, found {self.n_seeds}")

    def cells(self, protocol: str) -> list[Cell]:
        """Return the cells of a protocol, those of one seed and attack together."""
        settings = product(range(self.n_seeds), self.attacks, self.attack_sizes, self.filler_sizes)
        return [Cell(protocol, attack, size, fillers, seed) for seed, attack, size, fillers in settings]

    @cached_property
    def _by_name(self) -> dict[str, Cell]:
        return {cell.name: cell for protocol in PROTOCOLS for cell in self.cells(protocol)}

    def default_protocol(self, rounds: Sequence[Round]) -> str:
        """Return the literature's way."""
        return SAME_ATTACK

    def check(self, rounds: Sequence[Round], protocol: str) -> None:
        """Raise unless there is one log, large enough, and the protocol can be asked.

        Raises
        ------
        ConfigError
            If the protocol is neither one of `PROTOCOLS` nor a cell's name, or lacks other attacks.
        DataError
            If the log has too few users for the smallest attack.
        """
        cell = self._by_name.get(protocol)
        asked = protocol if cell is None else cell.protocol
        if asked not in PROTOCOLS:
            raise ConfigError(f"--protocol must be one of {', '.join(PROTOCOLS)}, found '{protocol}'")
        if asked == OTHER_ATTACKS and len(self.attacks) < 2:
            raise ConfigError(f"protocol {asked} must have two attacks or more, found one; name another --attack")
        (log,) = rounds
        people = len(_people(log.ratings))
        n_fakes = round(min(self.attack_sizes) * _dealt(people, asked)[1])
        if n_fakes < FEWEST_FAKES:
            raise DataError(
                f"{log.path or log.name}: the smallest attack must have at least {FEWEST_FAKES} fakes, found {n_fakes} "
                f"({min(self.attack_sizes):g} of {_dealt(people, asked)[1]} genuine users); give a larger --attack-size"
            )

    def identity(self, rounds: Sequence[Round], protocol: str) -> list[str]:
        """Return the digest of the log and the settings."""
        settings = (self.attacks, self.attack_sizes, self.filler_sizes, self.n_seeds)
        return [rounds[0].ratings.digest, repr(settings)]

    def key(self, log: Round, cell: Cell) -> str:
        """Return what a cell's answer hangs on beside the detector: log, settings, and the code that makes fakes."""
        labelled = self.others(cell) if cell.protocol == OTHER_ATTACKS else ()
        code = [code_of(ATTACKS.load(name)) for name in (cell.attack, *labelled)]
        text = repr((self.version, log.ratings.digest, cell.name, labelled, code))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def others(self, cell: Cell) -> tuple[str, ...]:
        """Return every attack but a cell's own."""
        return tuple(attack for attack in self.attacks if attack != cell.attack)

    def folds(self, rounds: Sequence[Round], protocol: str) -> Iterator[Fold]:
        """Yield the folds of a cell, known by its name."""
        cell, batch = self._by_name[protocol], rounds[0].ratings
        everyone = _people(batch)
        order = np.random.default_rng([cell.seed, 0]).permutation(len(everyone))
        donors, people, *labelling = (
            everyone[part] for part in np.split(order, np.cumsum(_dealt(len(everyone), cell.protocol))[:-1])
        )
        maker = _Maker(batch, cell)
        asked = maker.asked(donors, people)
        if cell.protocol == SAME_ATTACK:
            yield from in_round(asked, LABELLED_PARTS)
            return
        labelled = maker.labelled(labelling[0], labelling[1], self.others(cell))
        yield query_round(pool([labelled.ratings, asked.ratings]), [labelled, asked], 1)


@dataclass(frozen=True)
class _Maker:
    """Makes the batches of a cell; each attack draws from a stream of its own."""

    log: RatingBatch
    cell: Cell

    def asked(self, donors: Levels, people: Levels) -> Round:
        """Return the batch that is asked about."""
        n_fakes = round(self.cell.attack_size * len(people))
        fakes = self._fakes(self.cell.attack, donors, np.full(n_fakes, self.cell.filler_size), 1)
        return self._round("asked", people, fakes, np.ones(n_fakes, dtype=np.int64))

    def labelled(self, donors: Levels, people: Levels, attacks: tuple[str, ...]) -> Round:
        """Return a batch of other attacks in equal parts, with fakes of all lengths whatever sizes are asked about."""
        each = max(round(LABELLED_SIZE * len(people) / len(attacks)), FEWEST_FAKES)
        sizes = np.geomspace(*LABELLED_FILLERS, each)
        fakes = np.concatenate([self._fakes(attack, donors, sizes, 2) for attack in attacks])
        return self._round("labelled", people, fakes, np.repeat(np.arange(1, len(attacks) + 1), each))

    def _fakes(self, attack: str, donors: Levels, filler_sizes: FloatArray, stream: int) -> Levels:
        rng = np.random.default_rng([self.cell.seed, stream, *attack.encode()])
        return sized_fakes(attack, load_attack(attack), Source(donors, self.log.scale), filler_sizes, rng=rng)

    def _round(self, name: str, people: Levels, fakes: Levels, kinds: IntArray) -> Round:
        rng = np.random.default_rng([self.cell.seed, 3])
        return mixed_round(name, 0, people, fakes, kinds, self.log.scale, rng)


@lru_cache(maxsize=2)
def _people(log: RatingBatch) -> Levels:
    """Return the log's users who can be dealt as a table of levels; every cell deals the same ones."""
    return people_of(log, FEWEST_USERS)


def _dealt(n_people: int, protocol: str) -> list[int]:
    """Return how many users each part of a protocol's `SHARES` gets."""
    cuts = np.round(np.cumsum(SHARES[protocol]) * n_people).astype(int)
    return [int(one) for one in np.diff(cuts, prepend=0)]
