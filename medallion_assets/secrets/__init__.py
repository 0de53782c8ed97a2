"""From references to values at the moment of use, and values out of every text that leaves."""
