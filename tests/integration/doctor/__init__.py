"""A package, so that the stack that the doctor looks at ends with its tests and not with the run."""
