"""What is made of a checkout: the functions' zips, their layer, the host's release, MWAA's package."""
