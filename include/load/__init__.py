"""What dags/load_listings.py calls."""
