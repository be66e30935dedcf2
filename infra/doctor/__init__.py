"""Says, before and after a deploy, whether everything is as it must be, and what to do where it is not."""
