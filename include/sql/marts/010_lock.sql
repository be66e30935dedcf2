-- marts/010_lock.sql
-- What: one build at a time. The transaction's first statement, so that what it reads is what the build before it
--       committed.
-- Grain: none.
-- Keys: none.

lock core.build_lock;
