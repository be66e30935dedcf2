"""What runs on AWS, and how it gets there: the template, the build of the functions, the deploy."""
