"""Recommenders: models of the tasks rating-prediction and implicit-ranking."""
