-- ddl/008_zillowdata.sql
-- What: the table of the classic tutorial, for the dashboards built on it: its nine columns, in its order and
--       under its names. Names fold to lower case, so homeStatus and homestatus read the same column.
-- Grain: one row per source and zpid, each listing as it was last seen (core.listings).
-- Keys: none among these columns.

create view public.zillowdata as
select
    bathrooms,
    bedrooms,
    city,
    home_status as homestatus,
    home_type as hometype,
    living_area_sqft as livingarea,
    price,
    rent_zestimate as rentzestimate,
    zipcode
from core.listings;
