"""The version of the project, as manifests and pages say it: pyproject.toml is neither on a host nor in MWAA."""

VERSION = "0.1.0"
