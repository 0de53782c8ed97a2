"""Files in, Delta out, by the command line alone."""
