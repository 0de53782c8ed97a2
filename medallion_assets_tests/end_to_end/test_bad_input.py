"""Input that is wrong: what the owner is told, that nothing half-done stays, and that the next good run works.

Every case loads a good day, then a bad one, then the bad day mended.
"""

import gzip
from dataclasses import dataclass, field

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from medallion_assets_tests.end_to_end.project import Project, day

FILE = "data/orders_2024-01-02.csv"
GOOD = b"id,name\n1,anna\n2,bert\n"
BETTER = b"id,name\n1,anna\n2,berta\n3,\xc3\x87elik\n"


def intent(**changes: str) -> str:
    """A daily full CSV into a history; ``source``, ``more`` and ``suffix`` add to it."""
    return f"""
system: shop
table: orders
source: {{type: file, path: "data/orders_{{run_date}}.csv{changes.get("suffix", "")}"{changes.get("source", "")}}}
load: full
partitions: {{start: 2024-01-01}}
silver: {{model: scd_type_2, keys: id}}
{changes.get("more", "")}
"""


@dataclass(frozen=True)
class Bad:
    """A bad file of the second day, and the whole error: ``{file}`` is the file's absolute path."""

    name: str
    content: bytes | None
    error: str
    exit_code: int = 2
    changes: dict[str, str] = field(default_factory=dict)


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def unusable(rows: str, line: int, why: str) -> str:
    """What is said of rows that may not go to quarantine."""
    return f"""CHK-010  intents/orders.yaml:2  shop.orders 2024-01-02
  {rows} rows could not be read, and max_rows is 0. Nothing was committed.
    {FILE}:{line}  {why}
  Fix: Correct the rows at the source, or let them go to quarantine: `quarantine: {{max_rows: 1}}`.
"""


REFUSED = [
    Bad(
        "missing",
        None,
        """SRC-002  {file}
  No file matches data/orders_2024-01-02.csv (from data/orders_{run_date}.csv).
  Fix: Put the file there, correct source.path, or ask for a partition that has one.
""",
    ),
    Bad(
        "empty",
        b"",
        """SRC-009  {file}:1
  The file is empty: it has no header.
  Fix: Deliver a file with at least a header, or set source.format.names and header: false.
""",
    ),
    Bad(
        "cut gzip",
        packed(BETTER)[:-9],
        """SRC-007  {file}
  The gzip file is damaged after 43 of 43 bytes: it stops in the middle.
  Fix: Fetch the file again: it was cut.
""",
        changes={"suffix": ".gz"},
    ),
    Bad(
        "ragged",
        b"id,name\n1,anna\n2,bert,extra\n",
        unusable("1 of 2", 3, "ragged: 3 fields, 2 expected"),
        exit_code=4,
    ),
    Bad(
        "ragged and told to fail",
        b"id,name\n1\n",
        """SRC-012  {file}:2
  A row has 1 fields, 2 expected.
  Fix: Mend the row, or set source.format.ragged.
""",
        changes={"source": ", format: {type: csv, ragged: fail}"},
    ),
    Bad(
        "open quote",
        b'id,name\n1,"anna\n2,bert\n',
        unusable("1 of 2", 2, "quote: a quote opens and never closes"),
        exit_code=4,
    ),
    Bad(
        "latin-1",
        "id,name\n1,Çelik\n".encode("latin-1"),
        unusable("1 of 1", 2, "encoding: the bytes c7 are not UTF-8; set the encoding"),
        exit_code=4,
    ),
    Bad(
        "latin-1 header",
        "id,näme\n1,a\n".encode("latin-1"),
        """SRC-011  {file}:1
  The first line is not UTF-8: the bytes e4.
  Fix: Set source.format.encoding to the encoding of the file, like latin-1, cp1252 or utf-16.
""",
    ),
    Bad(
        "utf-16",
        "id,name\n1,a\n".encode("utf-16"),
        """SRC-011  {file}:1
  The file begins with the mark of UTF-16, and utf-8 is expected.
  Fix: Set source.format.encoding to utf-16.
""",
    ),
    Bad(
        "two columns of one name",
        b"id,name,name\n1,a,b\n",
        """SRC-010  {file}:1
  Columns have the same name: name.
  Fix: Correct the header, or name every column in source.format.names.
""",
    ),
]


@pytest.mark.parametrize("bad", REFUSED, ids=lambda bad: bad.name)
def test_a_bad_file_is_refused_whole_and_the_next_good_one_is_loaded(project: Project, bad: Bad) -> None:
    suffix = bad.changes.get("suffix", "")
    pack = packed if suffix else bytes
    project.write("intents/orders.yaml", intent(**bad.changes))
    project.write(f"data/orders_{day(0)}.csv{suffix}", pack(GOOD))
    project.medallion("run", "--date", day(0)).succeeded()
    commits, before = project.commits("shop", "orders"), project.silver("shop", "orders")
    if bad.content is not None:
        project.write(FILE + suffix, bad.content)

    refused = project.medallion("run", "--date", day(1))

    error = bad.error.replace("{file}", str(project.root / (FILE + suffix)))
    assert refused.exit_code == bad.exit_code, refused.output
    assert refused.output.startswith(
        f"shop.orders 2024-01-02: failed\n{error}Failed: shop.orders; see the errors above.\n"
    ), refused.output
    assert project.commits("shop", "orders") == commits
    assert_frame_equal(project.silver("shop", "orders"), before)

    project.write(FILE + suffix, pack(BETTER))
    project.medallion("run", "--date", day(1)).succeeded()
    assert current(project) == [("1", "anna"), ("2", "berta"), ("3", "Çelik")]


def current(project: Project) -> list[tuple[str, str]]:
    now = project.silver("shop", "orders").filter(pl.col("is_current"))
    return sorted(now.select(pl.col("id").cast(pl.String), "name").rows())


@pytest.mark.parametrize(
    ("content", "names"),
    [
        (b"id,name\n", []),
        (b"\xef\xbb\xbfid,name\n1,anna\n", ["anna"]),
        (b"id,name\r\n1,anna\r\n2,bert", ["anna", "bert"]),
        (b"id,name\n1," + b"x" * 10_000_000 + b"\n", ["x" * 10_000_000]),
        (b'id,name\n1,"' + b"x,\n" * 3_000_000 + b'"\n2,bert\n', ["x,\n" * 3_000_000, "bert"]),
    ],
    ids=["header only", "BOM", "CRLF and no last newline", "10 MB cell", "10 MB cell of many lines"],
)
def test_what_looks_odd_and_is_right(project: Project, content: bytes, names: list[str]) -> None:
    project.write("intents/orders.yaml", intent())
    project.write(FILE, content)
    project.medallion("run", "--date", day(1)).succeeded()
    assert [name for _, name in current(project)] == names
    assert len(project.commits("shop", "orders")) == 1


def test_a_table_of_2000_columns(project: Project) -> None:
    names = ["id", *(f"c{number}" for number in range(1_999))]
    project.write("intents/orders.yaml", intent())
    project.write(FILE, ",".join(names) + "\n" + ",".join(str(n) for n in range(2_000)) + "\n")
    project.medallion("run", "--date", day(1)).succeeded()
    bronze = pl.read_parquet(project.parts("shop", "orders"), hive_partitioning=False)
    assert bronze.columns == names
    assert bronze.row(0) == tuple(str(n) for n in range(2_000))
    assert project.silver("shop", "orders").select(names).row(0) == tuple(range(2_000))


def test_rows_that_may_go_to_quarantine_go_there_with_their_text_and_the_others_are_loaded(project: Project) -> None:
    project.write("intents/orders.yaml", intent(more="quarantine: {max_rows: 2}"))
    project.write(FILE, b"id,name\n1,anna\n2,bert,extra\n\xff,x\n3,carl\n")
    project.medallion("run", "--date", day(1)).succeeded()
    assert current(project) == [("1", "anna"), ("3", "carl")]
    kept = [p for p in (project.root / "lake/bronze").rglob("*.parquet") if "_quarantine" in p.parts]
    rows = pl.read_parquet(kept, hive_partitioning=False)
    assert rows.select("reason", "file", "line", "raw").rows() == [
        ("ragged", FILE, 3, "2,bert,extra"),
        ("encoding", FILE, 4, "\\xff,x"),
    ]


def test_a_header_alone_deletes_every_row_of_a_small_full_table(project: Project) -> None:
    project.write("intents/orders.yaml", intent())
    project.write(f"data/orders_{day(0)}.csv", GOOD)
    project.write(FILE, b"id,name\n")
    project.medallion("run", "--from", day(0), "--to", day(1)).succeeded()
    assert current(project) == []
    assert project.silver("shop", "orders").height == 2
