"""Why a loaded set holds its day or does not, as `core.load_audit` and the receipts of loads name it."""

from __future__ import annotations

HOLDS, WITHDRAWN, CLEANED_AGAIN = "holds", "withdrawn", "cleaned_again"

WHY_NOT = {
    "older": "the newest set was seen before it",
    "poorer": "the newest set has too few listings",
    CLEANED_AGAIN: "the newest set was cleaned again",
    "not_at_hand": "the newest set's rows could not be brought",
    WITHDRAWN: "the newest set was withdrawn",
}
"""The verdicts of sets that do not hold their day, in words for the Listings page."""
