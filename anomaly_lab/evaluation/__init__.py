"""Evaluation: metrics, folds, and the engine that runs one model on one question."""
