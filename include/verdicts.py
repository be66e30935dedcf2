"""Why a loaded set holds its day or does not, as `core.load_audit` and the receipts of loads name it."""

from __future__ import annotations

HOLDS, WITHDRAWN, CLEANED_AGAIN = "holds", "withdrawn", "cleaned_again"

WHY_NOT = {
    "older": "this look is older",
    "poorer": "this look is poorer",
    CLEANED_AGAIN: "it was cleaned again",
    "not_at_hand": "this look's rows could not be brought",
    WITHDRAWN: "this look was withdrawn",
}
"""The verdicts of sets that do not hold their day, in words for the Listings page."""
