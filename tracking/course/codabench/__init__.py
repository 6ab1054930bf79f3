"""Codabench: a course as a bundle that the platform unpacks, and its scoring program."""
