"""What dags/report_listings.py calls."""
