-- ddl/001_schemas.sql
-- What: the schemas, and the ledger of the migrations themselves. Every statement may run twice, since two
--       first starts at once have no ledger yet to lock.
-- Grain of core.schema_migrations: one row per migration file applied.
-- Keys: number.

create schema if not exists staging;

create schema if not exists core;

create schema if not exists marts;

create table if not exists core.schema_migrations (
    number integer not null,
    name varchar(128) not null,
    sha256 varchar(64) not null,
    applied_at timestamp not null
)
diststyle all;
