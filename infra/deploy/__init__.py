"""What a person runs to bring a stage up, give it its secrets, and take it down."""
