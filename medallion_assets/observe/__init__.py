"""What happened, for those who watch from outside: lineage events."""
