"""The quality of a lake as something to look at: scores, a heat map, a page of HTML."""
