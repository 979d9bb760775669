"""The form of a list of wrong programs."""

from __future__ import annotations

Programs = dict[str, tuple[tuple[str, ...], dict[str, tuple[str, str]]]]
"""File -> (tests that are asked, name -> (what is there once, the wrong))."""
