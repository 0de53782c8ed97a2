"""The raw layer: parts, the commit log that makes them exist, and the readers that believe nothing else."""
