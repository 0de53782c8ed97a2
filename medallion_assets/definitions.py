"""What ``workspace.yaml`` points to: the project of the working directory, or of ``$MEDALLION_PROJECT``."""

from medallion_assets.orchestration.definitions import load_definitions

defs = load_definitions()
