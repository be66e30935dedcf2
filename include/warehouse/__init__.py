"""What is done in Redshift: SQL files, migrations, the audit and the load of a batch."""
