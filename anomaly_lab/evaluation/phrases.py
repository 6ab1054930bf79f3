"""Phrases: what a family of features and its columns say, in plain words."""

from __future__ import annotations

import re

FAMILIES = {
    "profile": "how the user uses the scale",
    "agreement": "agreement with what others gave the same items",
    "popularity": "how popular the chosen items are",
    "likelihood": "how likely the ratings are, given the items",
    "low-rank": "how well the ratings follow from each other (taste)",
    "neighbours": "likeness to the most similar users",
    "co-occurrence": "whether the chosen items belong together",
    "copies": "overlap with single users who may have been copied",
    "seed": "the first notebook's counts",
    "team": "your own features",
}

COLUMNS = {
    "profile:log_count": "number of ratings (log)",
    "profile:mean": "mean rating (0 lowest, 1 highest level)",
    "profile:std": "spread of the ratings",
    "profile:skewness": "skewness of the ratings",
    "profile:kurtosis": "weight of rare ratings (kurtosis)",
    "profile:entropy": "evenness of the levels used (nats)",
    "profile:levels_used": "share of the scale's levels used",
    "profile:top_share": "share of the level used most",
    "profile:lowest": "lowest rating given",
    "profile:highest": "highest rating given",
    "profile:extreme_share": "share of ratings at either end of the scale",
    "profile:level_cv": "unevenness of the level counts",
    "profile:divergence": "distance of the level shares from everyone's (nats)",
    "agreement:mad": "mean distance from the items' means",
    "agreement:rms": "root mean square distance from the items' means",
    "agreement:bias": "how much higher than others the user rates",
    "agreement:z_rms": "distance from the items' means, in their spreads",
    "agreement:centred_rms": "distance from the items' means less the user's bias",
    "agreement:rms_ratio": "distance from the items' means beside the user's own spread",
    "agreement:correlation": "correlation with the items' means",
    "agreement:correlation_z": "correlation with the items' means, standardised",
    "agreement:slope": "rise of the ratings with the items' means",
    "agreement:fmtd": "gap between the highest ratings and the rest (FMTD)",
    "agreement:majority_share": "share of ratings that are the item's commonest",
    "agreement:rdma": "distance from the items' means, rare items weigh more (RDMA)",
    "agreement:wdma": "distance from the items' means, rare items weigh most (WDMA)",
    "agreement:wda": "sum of distances, rare items weigh more (WDA)",
    "agreement:length_variance": "number of ratings, away from the mean user's",
    "popularity:mean_log": "mean popularity of the items (log)",
    "popularity:std_log": "spread of the items' popularity",
    "popularity:mean": "mean popularity of the items",
    "popularity:rating_correlation": "correlation of rating and popularity",
    "popularity:rating_slope": "rise of the ratings with popularity",
    "popularity:liked_mean": "how well liked the chosen items are",
    "popularity:liked_std": "spread of how well liked the chosen items are",
    "popularity:choice_z": "how typical the choice of items is, given the number",
    "popularity:above_q25": "share of items above the least popular quarter",
    "popularity:above_q50": "share of items in the more popular half",
    "popularity:above_q75": "share of items in the most popular quarter",
    "popularity:above_q90": "share of items in the most popular tenth",
    "likelihood:mean": "mean log-likelihood of a rating, given its item",
    "likelihood:shuffled": "the same if the user's ratings were shuffled",
    "likelihood:gain": "likelihood of the ratings beyond shuffled ones",
    "likelihood:gain_z": "likelihood of the ratings beyond shuffled ones, standardised",
    "likelihood:worst": "log-likelihood of the least likely rating",
    "likelihood:surprise_share": "share of very unlikely ratings",
    "neighbours:correlation_1": "correlation with the most similar user",
    "neighbours:correlation_10": "correlation with the ten most similar users",
    "neighbours:correlation_50": "correlation with the fifty most similar users",
    "neighbours:correlation_mean": "mean correlation with all users",
    "neighbours:correlation_std": "spread of the correlations with all users",
    "neighbours:correlation_low": "correlation with the ten least similar users",
    "neighbours:agreement_1": "equal ratings with the most agreeing user",
    "neighbours:agreement_10": "equal ratings with the ten most agreeing users",
    "neighbours:agreement_mean": "equal ratings with all users, in the mean",
    "co-occurrence:deviation": "distance of the set of items from independent choice",
    "co-occurrence:choice_mean": "how likely the set of items is, chosen by popularity alone",
    "co-occurrence:knn_1": "common items with the nearest user, beyond chance",
    "co-occurrence:knn_10": "common items with the ten nearest users, beyond chance",
    "co-occurrence:knn_50": "common items with the fifty nearest users, beyond chance",
    "co-occurrence:knn_std": "spread of the common items with all users",
    "co-occurrence:knn_low": "common items with the twenty farthest users, beyond chance",
    "co-occurrence:knn_mean": "common items with all users, beyond chance",
    "co-occurrence:knn_relative": "common items with the ten nearest users, given the number of ratings",
    "co-occurrence:jaccard_1": "share of items in common with the nearest user",
    "co-occurrence:jaccard_10": "share of items in common with the ten nearest users",
    "co-occurrence:jaccard_mean": "share of items in common with all users",
    "co-occurrence:split_affinity": "how well the items go together",
    "co-occurrence:split_strength": "how clearly the items fall into two groups, given their number",
    "co-occurrence:split_strength_raw": "how clearly the items fall into two groups",
    "co-occurrence:split_across": "how well the two groups of items go together",
    "co-occurrence:split_within_low": "how well the items of the looser group go together",
    "co-occurrence:split_within_high": "how well the items of the closer group go together",
    "co-occurrence:split_balance": "share of the items in the smaller of two groups",
    "co-occurrence:split_lonely": "how well the loneliest tenth of the items goes with the others",
    "co-occurrence:rarity_surprise": "choice of rare items beyond chance, weighted by their rarity (log)",
    "co-occurrence:rarity_inverse": "choice of rare items beyond chance, the rarest weigh most",
    "co-occurrence:seat_mean": "how well items fit, beside others who rated them",
    "co-occurrence:seat_std": "spread of how well items fit, beside others who rated them",
    "co-occurrence:seat_log": "how badly items fit, beside others who rated them (log)",
    "co-occurrence:seat_excess": "items that fit worse than nine in ten who rated them have it, beyond chance",
    "copies:ratio_1": "overlap with one user beyond chance",
    "copies:ratio_2": "overlap of the rest with a second user beyond chance",
    "copies:ratio_sum": "overlap with two users beyond chance",
    "copies:common_share": "share of the items that one other user rated too",
    "copies:agreement": "equal ratings on the items shared with that user",
    "copies:source_covered": "share of that other user's items that this one rated too",
    "copies:source_length": "number of that other user's ratings (log)",
    "copies:remainder": "share of items that no one source explains",
    "copies:agreement_z_1": "equal ratings with the most equal user, standardised",
    "copies:agreement_z_10": "equal ratings with the ten most equal users, standardised",
    "copies:agreement_z_low": "equal ratings with the ten least equal users, standardised",
    "copies:agreement_z_mean": "equal ratings with all users, standardised",
}
"""Columns by their whole name."""

LOW_RANK = {
    "rmse": "distance of ratings from what the user's other ratings say",
    "mae": "mean distance of ratings from what the user's other ratings say",
    "bias": "how much higher ratings are than the user's other ratings say",
    "z_rmse": "distance of ratings from what the others say, in expected spreads",
    "kurtosis": "weight of a few ratings that do not follow from the others",
    "large_share": "share of ratings far from what the user's others say",
    "r2": "share of the ratings' spread that follows from the user's other ratings",
    "correlation": "correlation of ratings with what the user's others say",
    "slope": "rise of the ratings with what the user's others say",
    "correlation_z": "correlation of ratings with what the user's others say, standardised",
    "relative": "distance of ratings from what the others say, beside the user's own spread",
    "predicted_std": "spread of what the user's other ratings say",
    "surprise": "how likely the ratings are as one person's taste",
    "distance": "how marked the user's taste is",
    "gain": "how much closer the user's other ratings come than the items' means",
}
"""Columns ``low-rank:k<number of factors>_…``."""

EASE = {
    "precision_q": "share rated of the best fitting items, a quarter of the number rated",
    "precision_h": "share rated of the best fitting items, half the number rated",
    "precision_n": "share rated of the best fitting items, the number rated",
    "precision_2n": "share rated of the best fitting items, twice the number rated",
    "precision_10": "share rated of the ten best fitting items",
    "ap": "how far up the rated items stand among the best fitting ones",
    "ap_gain": "how much better fit than popularity finds the rated items",
    "auc": "chance that a rated item fits better than another one",
    "log_rank": "mean place of the rated items among the best fitting ones (log)",
    "rated_mean": "how well each item fits the user's others",
    "rated_std": "spread of how well each item fits the user's others",
    "rated_q10": "how well the worst fitting tenth of the items fits the others",
    "rated_q25": "how well the worst fitting quarter of the items fits the others",
    "rated_q50": "how well the median item fits the user's others",
    "hole_10": "how well the best items not rated fit (first tenth of the number rated)",
    "hole_25": "how well the best items not rated fit (first quarter of the number rated)",
    "hole_50": "how well the best items not rated fit (first half of the number rated)",
    "hole_100": "how well the best items not rated fit (as many as rated)",
    "hole_energy": "how much the items not rated should have been",
    "mse": "distance of the set of items from what fits, per rated item",
    "r2": "share of the choice that fit explains beyond popularity",
}
"""Columns ``co-occurrence:ease_<loose|tight>_…``: how items fit the user's other items, in two strictnesses."""

NUMBERED = {
    "profile:share_": "share of ratings {}",
    "co-occurrence:components_": "share of the set of items in the {} main directions of taste",
    "co-occurrence:rarity_z_": "choice, beyond chance, in the band of rarity that ends at a share of {} of all choices",
    "co-occurrence:lift_low_": "share of badly fitting items in the band of rarity that ends at {} of all choices",
    "co-occurrence:lift_": "how well items fit in the band of rarity that ends at {} of all choices",
    "co-occurrence:seat_below_": "share of items that fit worse than all but {} % of those who rated them have it",
}
"""Beginnings of columns that end in a number or a level; the first that fits counts."""


def family_phrase(family: str) -> str:
    """Return what a family says in plain words; its name where it has none."""
    return FAMILIES.get(family, family)


def column_phrase(name: str) -> str:
    """Return what a column ``family:column`` says in plain words; its name where it has none."""
    if name in COLUMNS:
        return COLUMNS[name]
    for beginning, phrase in NUMBERED.items():
        if name.startswith(beginning):
            return phrase.format(name.removeprefix(beginning))
    if ranked := re.fullmatch(r"low-rank:k(\d+)_(\w+)", name):
        factors, column = ranked.groups()
        return f"{LOW_RANK.get(column, column)} ({factors}-factor taste)"
    if fitting := re.fullmatch(r"co-occurrence:ease_([a-z]+)_(\w+)", name):
        strictness, column = fitting.groups()
        return f"{EASE.get(column, column)} ({strictness} fit)"
    return name
