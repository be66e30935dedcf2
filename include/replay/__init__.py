"""What dags/replay_listings.py calls."""
