"""A package, so that the stack that its tests share ends with them and not with the run."""
