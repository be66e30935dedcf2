"""The name of a location in keys, and how long what a person types may be."""

from __future__ import annotations

import re
import unicodedata
from hashlib import sha256

from include.base.searches import SALE, listing_of

LONGEST_LOCATION = 120
LONGEST_SLUG = 80
LONGEST_MARKET = LONGEST_SLUG + len("-0123abcd") + len("-rent")
LONGEST_REASON = 500
# A JSON schema's pattern: no line break, no NUL, which the metadata database cannot hold, no other control character.
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
_PLAIN = re.compile(r"[a-z0-9]+( [a-z0-9]+)*")
# A location that ends like a hash takes one too, or it could be spelt like another one's slug.
_LIKE_A_HASH = re.compile(r"(^|-)[0-9a-f]{8}$")


def slug(location: str) -> str:
    """The name in keys of a location's homes for sale: `Houston, TX` is `houston-tx`; 1 to 89 of a-z, 0-9 and dashes.

    Two locations that differ in more than case, spaces and commas get different slugs: what the
    plain form loses is made up for by a short hash of the location. So is an ending that another search's slug has.
    """
    folded = " ".join(unicodedata.normalize("NFC", location).casefold().replace(",", " ").split())
    plain = folded.replace(" ", "-")
    is_taken = _LIKE_A_HASH.search(plain) or listing_of(plain) != SALE
    if _PLAIN.fullmatch(folded) and len(plain) <= LONGEST_SLUG and not is_taken:
        return plain
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:LONGEST_SLUG].strip("-")
    return "-".join(filter(None, (name, sha256(folded.encode()).hexdigest()[:8])))
