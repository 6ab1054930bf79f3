import numpy as np


def rare_items(users, reference):
    """Describe how rare the items of each user are among the reference users."""
    raters = np.bincount(reference.items, minlength=reference.n_items)
    rarity = -np.log((raters + 1) / (reference.n_users + 1))
    n = np.bincount(users.users, minlength=users.n_users)
    rarest = np.zeros(users.n_users)
    np.maximum.at(rarest, users.users, rarity[users.items])
    return {"mean": np.bincount(users.users, rarity[users.items], users.n_users) / n, "rarest": rarest}
