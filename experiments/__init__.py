"""Decide: the command line, study settings and Optuna."""
