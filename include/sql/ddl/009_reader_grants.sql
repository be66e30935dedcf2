-- ddl/009_reader_grants.sql
-- What: what people and dashboards may see: the marts schema, in which each mart's own migration grants its
--       table, and public.zillowdata. Nothing of core or staging. The user reader must exist: who sets the
--       database up creates it, its password is no business of a migration.
-- Grain: none.
-- Keys: none.

grant usage on schema marts to reader;

grant usage on schema public to reader;

grant select on public.zillowdata to reader;
