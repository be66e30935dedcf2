"""Airflow from outside: a client of its API, and what its scheduler is started through."""
