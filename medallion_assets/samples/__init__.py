"""Made-up sources for trying things out: a project that runs at once, and what its silver tables must hold."""
