-- report/010_span.sql
-- What: the span of days that a report looks at; who reads it puts the one row in.
-- Grain of report_span: one row; days after the first date and up to the second.
-- Keys: none.

create temp table report_span (
    after_date date not null,
    up_to_date date not null
);
