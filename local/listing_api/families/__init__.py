"""The API families that the server speaks. A new family is a module here and a line in the table."""

from local.listing_api.families.family import Family
from local.listing_api.families.zillow56 import ZILLOW56
from local.listing_api.families.zillow_com4 import ZILLOW_COM4

__all__ = ["FAMILIES", "Family"]

FAMILIES: dict[str, Family] = {family.name: family for family in (ZILLOW56, ZILLOW_COM4)}
