"""Everything the DAGs call. Importable without Airflow, but for assets, dag_defaults and operators."""
