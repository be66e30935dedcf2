"""A stand-in for Amazon Redshift: its wire endpoint, its dialect and its COPY, in front of a PostgreSQL."""
