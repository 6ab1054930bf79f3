"""Compute: ratings in, one anomaly score per user out."""
