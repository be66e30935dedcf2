"""What a person runs beside `make up`: demo, replay, withdraw, psql."""
