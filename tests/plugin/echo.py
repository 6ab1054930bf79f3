from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Echo:
    """A real user's profile whose ratings are put off by one item."""

    by: int = 1

    def generate(self, source, n_users, *, rng):
        able = np.flatnonzero(source.lengths >= 3)
        made = source.levels[rng.choice(able, n_users)]
        for profile in made:
            rated = profile >= 0
            profile[rated] = np.roll(profile[rated], self.by)
        return made
