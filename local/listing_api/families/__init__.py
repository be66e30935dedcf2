"""The API families that the server speaks. A new family is a module here and a line in the table."""

from local.listing_api.families.family import Family
from local.listing_api.families.zillow56 import ZILLOW56
from local.listing_api.families.zillow_com1 import ZILLOW_COM1
from local.listing_api.families.zillow_com4 import ZILLOW_COM4
from local.listing_api.families.zillow_working_api import ZILLOW_WORKING_API

__all__ = ["FAMILIES", "Family"]

_ALL = (ZILLOW56, ZILLOW_COM4, ZILLOW_COM1, ZILLOW_WORKING_API)
FAMILIES: dict[str, Family] = {family.name: family for family in _ALL}
