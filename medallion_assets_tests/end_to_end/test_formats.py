"""Avro, Excel and XML from file to silver, through the command line."""

import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import fastavro
import openpyxl
import polars as pl
import pytest

from medallion_assets_tests.end_to_end.project import Project, day

INTENT = """
system: shop
table: orders
source: {type: file, path: "data/orders_{run_date}.*"%s}
load: full
partitions: {start: 2024-01-01}
columns: {id: bigint, price: "decimal(10,2)", day: date, name: string}
silver: {model: scd_type_2, keys: id}
"""
ROWS = [("1", Decimal("1.10"), "2024-01-31", "Ada & Co"), ("9007199254740993", Decimal("-0.05"), "1969-12-31", "00123")]


def avro() -> bytes:
    price = {"type": "bytes", "logicalType": "decimal", "precision": 10, "scale": 2}
    fields = [("id", "long"), ("price", price), ("day", {"type": "int", "logicalType": "date"}), ("name", "string")]
    schema = {"type": "record", "name": "r", "fields": [{"name": n, "type": t} for n, t in fields]}
    out = io.BytesIO()
    rows = [{"id": int(i), "price": p, "day": pl.Series([d]).str.to_date()[0], "name": n} for i, p, d, n in ROWS]
    fastavro.writer(out, fastavro.parse_schema(schema), rows, codec="deflate")
    return out.getvalue()


def excel() -> bytes:
    book = openpyxl.Workbook()
    assert book.active is not None
    sheet = book.create_sheet("Orders")
    sheet.append([])
    sheet.append([None, "id", "price", "day", "name"])
    for i, price, on, name in ROWS:
        # to Excel itself a number has 15 digits, and a day before 1900 is a text
        sheet.append([None, int(i) if len(i) < 16 else i, float(price), on, name])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def xml() -> bytes:
    rows = "".join(
        f'<o id="{i}"><price>{p}</price><day>{d}</day><name>{n.replace("&", "&amp;")}</name></o>' for i, p, d, n in ROWS
    )
    return f"<feed><page><orders>{rows}</orders></page></feed>".encode()


@pytest.mark.parametrize(
    ("suffix", "make", "more"),
    [
        ("avro", avro, ""),
        ("xlsx", excel, ", format: {type: excel, sheet: Orders}"),
        ("xml", xml, ", format: {type: xml, records: /feed/page/orders/o}"),
    ],
)
def test_rows_come_to_silver_with_every_digit(
    project: Project, suffix: str, make: Callable[[], bytes], more: str
) -> None:
    project.write("intents/orders.yaml", INTENT % more)
    project.write(f"data/orders_{day(0)}.{suffix}", make())
    project.medallion("run", "--date", day(0)).succeeded()

    rows = project.silver("shop", "orders").sort("id").select("id", "price", pl.col("day").cast(pl.String), "name")
    assert rows.rows() == [(int(i), p, d, n) for i, p, d, n in ROWS]
    (commit,) = project.commits("shop", "orders")
    assert f"data/orders_{day(0)}.{suffix}" in commit.read_text()


@pytest.mark.parametrize(
    ("suffix", "content", "code", "more"),
    [
        ("avro", b"Obj\x01", "SRC-025", ""),
        ("xlsx", b"id\n1\n", "SRC-027", ""),
        ("xml", b"<feed><o>1</o>", "SRC-028", ", format: {type: xml, records: //o}"),
        ("xml", b"<feed><o>1</o></feed>", "SRC-022", ""),
    ],
)
def test_a_broken_file_is_named_and_leaves_nothing(
    project: Project, suffix: str, content: bytes, code: str, more: str
) -> None:
    project.write("intents/orders.yaml", INTENT % more)
    project.write(f"data/orders_{day(0)}.{suffix}", content)
    failed = project.medallion("run", "--date", day(0))

    assert failed.exit_code == 2
    assert code in failed.output
    assert str(Path("data") / f"orders_{day(0)}.{suffix}") in failed.output
    assert project.commits("shop", "orders") == []


@pytest.mark.parametrize("missing", ["fastavro", "fastexcel", "lxml"])
def test_without_the_extra_it_is_named(project: Project, missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """SRC-026"""
    suffix, content = {
        "fastavro": ("avro", avro()), "lxml": ("xlsx", excel()), "fastexcel": ("xls", b"\xd0\xcf\x11\xe0" * 200),
    }[missing]  # fmt: skip
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    project.write("intents/orders.yaml", INTENT % "")
    project.write(f"data/orders_{day(0)}.{suffix}", content)
    failed = project.medallion("run", "--date", day(0))

    assert failed.exit_code == 1
    assert "SRC-026" in failed.output
    assert 'pip install "medallion-assets[formats]"' in failed.output
