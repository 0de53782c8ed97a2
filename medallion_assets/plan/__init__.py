"""What will happen: compiled from intents and the platform file, printable, diffable, free of secrets. Pure."""
