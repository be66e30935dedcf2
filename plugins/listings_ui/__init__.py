"""What serves the Listings page: see ../listings_page.py."""
