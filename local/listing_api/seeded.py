"""Chance that is none: draws that follow from a text, the same in every process and on every machine."""

from random import Random


def draws(text: str) -> Random:
    """A generator seeded by the text alone (by its SHA-512, not by hash(), which differs between processes)."""
    return Random(text)  # noqa: S311 - a simulated market, no secret
