"""Attacks: how generated users are made, as training material and as whole courses."""
