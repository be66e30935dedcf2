"""What lies where in S3 and in the queues."""
