"""Knows the parts of an address that a family sends as one text: "7 Example St, Los Angeles, CA 90045".

The end tells them apart, for a street may itself hold commas: a state's code with or without a ZIP code, before
it a city, which holds neither comma nor digit, and all that stands before is the street. In Canada a province and
a postal code stand there. Street, city or ZIP code may be lacking, as with a plot. Nothing is lost: a text that
does not end like that is a street as a whole.
"""

import arrow_pool  # noqa: F401
import pyarrow as pa
import pyarrow.compute as pc

STREET, CITY, STATE, ZIPCODE = "street", "city", "state", "zipcode"

_STATES = (
    "A[EKLPRSZ]|C[AOT]|D[CE]|F[LM]|G[AU]|HI|I[ADLN]|K[SY]|LA|M[ADEHINOPST]|N[CDEHJMVY]|O[HKR]|P[ARW]|RI|S[CD]|T[NX]"
    "|UT|V[AIT]|W[AIVY]"
)
_PROVINCES = "AB|BC|MB|N[BLSTU]|ON|PE|QC|SK|YT"
_ZIPCODES = r"\d{5}(?:-\d{4})?|[A-Z]\d[A-Z] ?\d[A-Z]\d"
_PATTERN = (
    r"^[\s,]*(?:(?P<street>.+?)\s*,[\s,]*)??"
    r"(?:(?P<city>[^,\d\s][^,\d]*?)\s*,[\s,]*)?"
    rf"(?P<state>{_STATES}|{_PROVINCES})(?:[\s,]+(?P<zipcode>{_ZIPCODES}))?\s*$"
)


def take_apart(texts: pa.Array) -> dict[str, pa.Array]:
    """Streets, cities, states and ZIP codes of these addresses; null, or empty, where one has none."""
    found = pc.extract_regex(texts, _PATTERN)
    parts = {part: pc.struct_field(found, part) for part in (STREET, CITY, STATE, ZIPCODE)}
    # "100 Sample Ave, NE" names a side of town, not Nebraska: without a city, only a ZIP code makes it a state.
    placed = pc.fill_null(pc.or_(pc.not_equal(parts[CITY], ""), pc.not_equal(parts[ZIPCODE], "")), False)
    nothing = pa.scalar(None, pa.string())
    return {part: pc.if_else(placed, each, texts if part == STREET else nothing) for part, each in parts.items()}
