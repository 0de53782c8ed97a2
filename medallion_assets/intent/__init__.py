"""What an owner writes: the grammar of intents and of platform.yaml. Pure: no I/O, clock or environment."""
