"""The code of every error, with its title. ``docs/errors.md`` explains each; a test raises each.

A number is never used again for another meaning.
"""

CODES: dict[str, str] = {
    # INT: intent files
    # PLT: platform.yaml
    # PLN: the plan compiled from both
    "PLN-001": "Not a partition",
    "PLN-002": "Outside the partitions",
    "PLN-003": "Two intents with one name",
    "PLN-004": "Two silver tables at one place",
    "PLN-005": "No such store",
    "PLN-006": "Two checks of one name",
    "PLN-007": "No such dataset to read",
    "PLN-008": "Not a time zone",
    "PLN-009": "Partitions that end before they start",
    "PLN-010": "Not begun yet",
    "PLN-011": "Source read now, another partition asked",
    "PLN-012": "Not built in this version",
    "PLN-020": "Not a reference",
    "PLN-021": "No value for a reference",
    "PLN-022": "Variable refused by the policy",
    "PLN-023": "Vault not built",
    # SRC: sources
    # STO: stores
    "STO-001": "Not the path of an object",
    "STO-002": "A link or an odd file is in the way",
    "STO-003": "No such object",
    "STO-004": "The object exists already",
    "STO-005": "Disk full",
    "STO-006": "Quota used up",
    "STO-007": "Read-only file system",
    "STO-008": "Permission denied",
    "STO-009": "File system failure",
    "STO-010": "Outcome unknown",
    "STO-011": "File system without hard links",
    "STO-012": "Beyond the end of the object",
    "STO-013": "Kind of store not built",
    # BRZ: bronze
    # SLV: silver and tables
    # CHK: checks and thresholds
    "CHK-001": "Not a limit",
    "CHK-002": "Rule not built",
    "CHK-003": "Limit of another kind",
    # CLI: the command line
    "CLI-001": "No project",
    "CLI-002": "No such name",
    "CLI-003": "Not enabled",
    "CLI-004": "File cannot be read",
}
