"""What dags/sense_listings.py calls."""
