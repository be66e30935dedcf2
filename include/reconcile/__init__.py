"""What dags/reconcile_listings.py calls."""
