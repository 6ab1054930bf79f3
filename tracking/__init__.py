"""Remember: every run in MLflow, read back, ranked, exported."""
