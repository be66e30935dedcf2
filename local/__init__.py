"""What stands in for AWS, the listing API and Redshift on one machine. Nothing of the pipeline imports it."""
