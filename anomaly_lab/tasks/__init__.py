"""Tasks: what is asked of models."""
