"""Measurements of the project itself; run from the root of a checkout: ``python -m tools.NAME``."""
