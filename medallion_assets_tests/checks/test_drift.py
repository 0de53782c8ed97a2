"""Which columns are said to have changed: column, old, new, first partition."""

import pytest

from medallion_assets.checks.drift import Change, Loaded, Named, since_contract, since_previous
from medallion_assets.lake.manifest import Column


def load(partition: str, **types: str) -> Loaded:
    return Loaded(partition, tuple(Column(name, type_) for name, type_ in types.items()))


def test_the_first_load_has_nothing_to_differ_from() -> None:
    assert since_previous(load("2024-01-01", a="Int64"), []) == ()


def test_a_column_can_come_go_and_change_its_type() -> None:
    before = [load("2024-01-01", a="Int64", b="String"), load("2024-01-02", a="Int64", b="String", c="Int64")]
    now = load("2024-01-03", a="Float64", c="Int64", d="Date")
    assert since_previous(now, before) == (
        Change("a", "previous", "Int64", "Float64", "2024-01-03"),
        Change("b", "previous", "String", None, "2024-01-03"),
        Change("d", "previous", None, "Date", "2024-01-03"),
    )


def test_order_of_columns_and_columns_of_nulls_are_no_drift() -> None:
    before = [load("2024-01-01", a="Int64", b="Null", c="Date")]
    assert since_previous(load("2024-01-02", c="Null", b="String", a="Int64"), before) == ()


def test_the_contract_knows_a_column_by_any_of_its_source_names() -> None:
    contract = [Named("lid", ("LID", "lid"), "string"), Named("lat", ("lat",), "float64")]
    assert since_contract(load("2024-01-01", LID="String", lat="String"), [], contract, closed=False) == ()


def test_what_the_contract_misses_is_dated_from_its_first_partition() -> None:
    contract = [Named("lid", ("LID", "lid"), "string"), Named("n", ("n",), "int32")]
    before = [load("2024-01-01", lid="String", n="Int32"), load("2024-01-02", n="Int64"), load("2024-01-03", n="Int64")]
    changes = since_contract(load("2024-01-04", n="Int64"), before, contract, closed=False)
    assert changes == (
        Change("LID", "contract", "string", None, "2024-01-01"),
        Change("n", "contract", "int32", "Int64", "2024-01-02"),
    )
    assert str(changes[1]) == "`n` is Int64 (was int32 in the contract), first in 2024-01-02"


def test_only_a_closed_contract_minds_columns_that_it_does_not_name() -> None:
    now = load("2024-01-01", a="String", b="String")
    contract = [Named("a", ("a",), None)]
    assert since_contract(now, [], contract, closed=False) == ()
    assert since_contract(now, [], contract, closed=True) == (Change("b", "contract", None, "String", "2024-01-01"),)


@pytest.mark.parametrize(
    ("contract", "loaded", "fits"),
    [
        ("int64", "Int32", True),
        ("int64", "UInt32", True),
        ("int64", "UInt64", False),
        ("int32", "Int64", False),
        ("uint64", "UInt8", True),
        ("uint64", "Int8", False),
        ("int16", "Boolean", False),
        ("float64", "Int64", True),
        ("float32", "Float64", False),
        ("decimal(18, 2)", "Decimal(precision=10, scale=2)", True),
        ("decimal(18, 2)", "Float64", False),
        ("date", "Date", True),
        ("date", "Datetime(time_unit='us', time_zone=None)", False),
        ("timestamp", "Date", True),
        ("timestamptz", "Datetime(time_unit='us', time_zone='UTC')", True),
        ("string", "Int64", True),
        ("json", "Struct({'a': Int64})", True),
        ("boolean", "Boolean", True),
        ("binary", "Binary", True),
        ("time", "Time", True),
        ("int8", "String", True),
        ("int8", "Null", True),
    ],
)
def test_a_bronze_type_fits_when_every_value_does_or_text_is_yet_to_be_cast(
    contract: str, loaded: str, fits: bool
) -> None:
    changes = since_contract(load("2024-01-01", a=loaded), [], [Named("a", ("a",), contract)], closed=True)
    assert (changes == ()) is fits
