"""The code of every error, with its title. ``docs/errors.md`` explains each; a test raises each.

A number is never used again for another meaning.
"""

CODES: dict[str, str] = {
    # INT: intent files
    # PLT: platform.yaml
    # PLN: the plan compiled from both
    # SRC: sources
    # STO: stores
    # BRZ: bronze
    # SLV: silver and tables
    # CHK: checks and thresholds
    # CLI: the command line
}
