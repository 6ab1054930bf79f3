"""Phrases: what a family of features and its columns say, in plain words."""

from __future__ import annotations

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
    "neighbours:correlation_mean": "correlation with the average user",
    "neighbours:correlation_low": "correlation with the ten least similar users",
    "neighbours:agreement_1": "equal ratings with the most agreeing user",
    "neighbours:agreement_10": "equal ratings with the ten most agreeing users",
    "neighbours:agreement_mean": "equal ratings with the average user",
    "copies:ratio_1": "overlap with one user beyond chance",
    "copies:common_share": "share of the items that one other user rated too",
    "copies:agreement": "equal ratings on the items shared with that user",
    "copies:remainder": "share of items that no one source explains",
}
"""The columns most often seen; any other is called by its name."""


def family_phrase(family: str) -> str:
    """Return what a family says in plain words; its name where it has none."""
    return FAMILIES.get(family, family)


def column_phrase(name: str) -> str:
    """Return what a column ``family:column`` says in plain words; its name where it has none."""
    family, _, column = name.partition(":")
    if family == "profile" and column.startswith("share_"):
        return f"share of ratings {column.removeprefix('share_')}"
    return COLUMNS.get(name, name)
