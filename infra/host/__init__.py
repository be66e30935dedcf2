"""Airflow on one EC2 instance: what installs a release there, what runs it, and what looks after it.

It runs on the host with nothing but Python 3.12, from the unpacked release: standard library only.
"""
