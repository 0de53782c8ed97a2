"""Names of the columns that silver works with beside the owner's: internal ones, and those it adds to tables."""

from enum import IntEnum

__all__ = [
    "AFTER", "BASE", "BEFORE", "BRONZE_PART", "CHANGED_AT", "CHANGED_COLUMNS", "CHANGE_TYPE", "CLOCK", "COMMIT",
    "DELETED_AT", "FAULT", "FIRST", "FROM", "FULL", "INDEX", "IS_CURRENT", "IS_DELETED", "KNOWN", "LOAD",
    "LOAD_DATE", "OP", "OPERATION", "PART", "PARTITION", "POS", "RESCUED", "RESERVED", "RUN_DATE", "SINCE",
    "SLICE", "TIES", "TO", "VALUE", "Op",
]  # fmt: skip

RESERVED = "__"
"""Every internal column starts with this, and no column of the owner's does."""
POS = "__pos"
"""Int64: the place of a row among all rows of all live loads, by (partition start, full first, part, row)."""
LOAD = "__load"
"""Int64: rank of a row's load in the same order, from 0."""
OP = "__op"
"""Int8: an ``Op``."""
FULL = "__full"
"""Boolean: the row comes from a full load."""
KNOWN = "__known"
"""Boolean: the keys of the row can be read."""
FAULT = "__fault"
VALUE = "__value"
CLOCK = "__clock"
"""When an event happened: an instant, or a value of order_by[0]."""
FIRST = "__first"
"""Int8: 0 for what holds from a full partition's start on, 1 for others; 0 sorts first at one clock."""
SINCE = "__since"
"""Int64: POS of the earliest row that is this event; later, of the first event with these attributes."""
INDEX = "__i"
SLICE = "__slice"
"""Int64: rank of the first load of a row's partition, so that loads of one partition share it."""
COMMIT, PART, BASE, PARTITION = "__commit", "__part", "__base", "__partition"
"""Of the parts of loads: number of the commit, ordinal, POS of the first row, name of the partition."""
TIES = "__ties"

FROM, TO, IS_CURRENT = "effective_from", "effective_to", "is_current"
IS_DELETED, DELETED_AT = "is_deleted", "deleted_at"
LOAD_DATE = "load_date"
OPERATION = "operation"
CHANGE_TYPE, CHANGED_COLUMNS, BEFORE, AFTER, CHANGED_AT = (
    "change_type", "changed_columns", "before", "after", "changed_at"
)  # fmt: skip
RUN_DATE, BRONZE_PART = "_run_date", "_bronze_part"
RESCUED = "_rescued"
"""JSON object: column name → the text of a value that is not one of the column's type; null where there is none."""


class Op(IntEnum):
    """What a row does. Numbers sort as the rule for ties wants: a delete after an upsert."""

    UPSERT = 0
    DELETE = 1
    TRUNCATE = 2
    UNKNOWN = 3
    NOTHING = 4
