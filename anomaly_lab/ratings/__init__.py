"""Ratings: one data type, its scales, labels and readers."""

from anomaly_lab.ratings.batch import RatingBatch
from anomaly_lab.ratings.labels import Labels, Round
from anomaly_lab.ratings.pool import RatingPool, pool
from anomaly_lab.ratings.scale import RatingScale, infer_scale, parse_scale

__all__ = ["Labels", "RatingBatch", "RatingPool", "RatingScale", "Round", "infer_scale", "parse_scale", "pool"]
