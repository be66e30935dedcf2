"""What dags/extract_listings.py calls."""
