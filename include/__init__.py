"""Everything the DAGs call: a room for each DAG, over what all share. pyproject.toml says who may import whom."""
