"""Recommenders trained by gradient descent, on JAX: extra `neural`."""
