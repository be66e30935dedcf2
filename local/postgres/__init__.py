"""The embedded PostgreSQL, and the account that it runs as."""
