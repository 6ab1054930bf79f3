"""Detectors: one short file each, found by name in `anomaly_lab.registry`."""
