"""Fixed-width examples from file to silver, through the command line."""

from pathlib import Path

import polars as pl

from medallion_assets_tests.end_to_end.project import Project, day

EXAMPLES = Path(__file__).parents[1] / "intent/examples"
CLAIMS = (
    "0000000001P000000007   1234.502024-01-0 Broken                                  \n"
    "0000000002P000000008    100.502024-01-01Visit, Café                             \n"
    "0000000003P000000009      0.102024-01-02                                        \n"
    "0000000003P000000009      0.202024-01-03second                                  \n"
    "0000000004\n"
)


def _example(project: Project, name: str, more: str = "") -> None:
    text = (EXAMPLES / f"{name}.yaml").read_text("utf-8")
    project.write(f"intents/{name}.yaml", text + "partitions: {start: 2024-01-01}\n" + more)


def _quarantine(project: Project) -> list[tuple[object, ...]]:
    kept = [p for p in (project.root / "lake/bronze").rglob("*.parquet") if "_quarantine" in p.parts]
    return pl.read_parquet(kept, hive_partitioning=False).select("reason", "detail", "file", "line", "raw").rows()


def test_claims(project: Project) -> None:
    _example(project, "17_fixed_width_claims", "quarantine: {max_rows: 2}\n")
    project.write(f"sample_data/claims_{day(0)}.dat", CLAIMS)
    project.medallion("run", "--date", day(0)).succeeded()

    bronze = pl.read_parquet(project.parts("claims", "claims_raw"), hive_partitioning=False)
    assert bronze.rows() == [
        ("0000000001", "P000000007", "1234.50", "2024-01-0", "Broken"),
        ("0000000002", "P000000008", "100.50", "2024-01-01", "Visit, Café"),
        ("0000000003", "P000000009", "0.10", "2024-01-02", ""),
        ("0000000003", "P000000009", "0.20", "2024-01-03", "second"),
    ]
    assert _quarantine(project) == [
        ("ragged", "10 characters, 80 expected", f"sample_data/claims_{day(0)}.dat", 5, "0000000004")
    ]
    silver = project.silver("healthcare", "claims")
    rows = silver.select("claim_id", "patient_id", pl.col("amount").cast(pl.String), "description").sort("claim_id")
    assert rows.rows() == [
        ("0000000002", "P000000008", "100.50", "Visit, Café"),
        ("0000000003", "P000000009", "0.20", "second"),
    ]


def test_orders_with_their_lines(project: Project) -> None:
    _example(project, "18_fixed_width_parent_child", "quarantine: {max_rows: 1}\n")
    name = f"data/order_details_{day(0)}.txt"
    project.write(
        name,
        "H0000000001C0000000012024-01-01\n"
        "DI000000001Widget         000002    9.99\n"
        "DI000000002Gadget         000001   19.90\n"
        "H0000000002C0000000022024-01-01\n"
        "X what is this\n"
        "900000000003\n",
    )
    project.medallion("run", "--date", day(0)).succeeded()

    silver = project.silver("operations", "order_details").sort("order_id", "item_id")
    names = ["order_id", "customer_id", "order_date", "item_id", "product_name", "quantity", "unit_price"]
    assert silver.select(pl.col(names).cast(pl.String)).rows() == [
        ("0000000001", "C000000001", "2024-01-01", "I000000001", "Widget", "000002", "9.99"),
        ("0000000001", "C000000001", "2024-01-01", "I000000002", "Gadget", "000001", "19.90"),
        ("0000000002", "C000000002", "2024-01-01", None, None, None, None),
    ]
    assert _quarantine(project) == [("record", "no record type has the code 'X'", name, 5, "X what is this")]


def test_one_line_too_short_and_no_quarantine_is_a_load_refused(project: Project) -> None:
    _example(project, "17_fixed_width_claims")
    project.write(f"sample_data/claims_{day(0)}.dat", CLAIMS)
    refused = project.medallion("run", "--date", day(0))

    assert refused.exit_code == 4
    assert f"sample_data/claims_{day(0)}.dat:5  ragged: 10 characters, 80 expected" in refused.output
    assert project.commits("claims", "claims_raw") == []
