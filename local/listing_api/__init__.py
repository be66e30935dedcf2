"""A stand-in for the listing APIs: a simulated property market behind the real request and answer shapes."""
