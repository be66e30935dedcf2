"""What plugins/listings_ui shows of Airflow's rows and of S3."""
