"""Five million rows of twelve columns out of a database into bronze, against the least that any reader must do.

    python benchmarks/database.py [--rows 5000000] [--runs 3]

PostgreSQL (the server of the tests): ``COPY … (FORMAT binary)`` by psql to /dev/null; the same table as committed
bronze; the last 1 % of it by its cursor column. SQLite: ConnectorX into Arrow (which guesses the types of a column and
writes nothing); the same table as committed bronze. MariaDB: the cursor of PyMySQL at the server, whose rows are
dropped; the same table as committed bronze. Every measurement is a process of its own, imports not counted; runs are
interleaved, the median is shown. Memory is the highest RssAnon of the process, sampled every 10 ms.
"""

import argparse
import json
import shutil
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import psycopg
import pymysql
from sqlalchemy.engine import make_url

from medallion_assets_tests.services.databases import DatabaseServer, mariadb, postgres
from medallion_assets_tests.services.process import find

INTENT = """
system: shop
table: big
source: {type: database, url: "URL"}
load: LOAD
partitions: {start: 2024-01-01}
"""
FULL, LAST = "full", "{pattern: incremental, cursor: {column: updated_at}}"
ROWS_A_DAY = 50_000


def fill_postgres(url: str, rows: int) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"""CREATE TABLE big AS SELECT g::bigint AS id, (g::bigint * 7919) % 100000 AS customer,
            (g % 1000)::int AS quantity, ((g::bigint * 37) % 1000000 / 100.0)::numeric(12, 2) AS price,
            (g % 97) / 7.0::float8 AS ratio, g % 3 = 0 AS flag, 'name of ' || g % 50000 AS name, md5(g::text) AS code,
            timestamptz '2024-01-01 00:00+00' + (g - 1) * interval '1 day' / {ROWS_A_DAY} AS updated_at,
            date '2020-01-01' + g % 2000 AS day, CASE WHEN g % 5 > 0 THEN 'note ' || g END AS note,
            (g % 7)::int2 AS kind
            FROM generate_series(1, {rows}) g"""
        )
        connection.execute("CREATE INDEX ON big (updated_at)")
        connection.execute("VACUUM ANALYZE big")


def fill_sqlite(path: Path, rows: int) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = off")
        database.execute(
            "CREATE TABLE big (id INTEGER PRIMARY KEY, customer INTEGER, quantity INT, price REAL, ratio REAL, "
            "flag BOOLEAN, name TEXT, code TEXT, updated_at DATETIME, day DATE, note TEXT, kind SMALLINT)"
        )
        database.execute(
            f"""WITH RECURSIVE g(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM g WHERE g < {rows})
            INSERT INTO big SELECT g, (g * 7919) % 100000, g % 1000, ((g * 37) % 1000000) / 100.0, (g % 97) / 7.0,
            g % 3 = 0, 'name of ' || g % 50000, hex(g * 2654435761), datetime('2024-01-01', g || ' seconds'),
            date('2020-01-01', g % 2000 || ' days'), CASE WHEN g % 5 > 0 THEN 'note ' || g END, g % 7 FROM g"""
        )
        database.commit()


def fill_mariadb(at: DatabaseServer, rows: int) -> None:
    with closing(pymysql.connect(**reached(at.url), autocommit=True)) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"""CREATE TABLE big (PRIMARY KEY (id)) AS SELECT seq AS id, seq * 7919 % 100000 AS customer,
            CAST(seq % 1000 AS INT) AS quantity, CAST(seq * 37 % 1000000 / 100 AS DECIMAL(12, 2)) AS price,
            seq % 97 / 7e0 AS ratio, seq % 3 = 0 AS flag, concat('name of ', seq % 50000) AS name, md5(seq) AS code,
            timestamp('2024-01-01') + INTERVAL seq SECOND AS updated_at, date('2020-01-01') + INTERVAL seq % 2000 DAY
            AS day, IF(seq % 5 > 0, concat('note ', seq), NULL) AS note, seq % 7 AS kind FROM seq_1_to_{rows}"""
        )


def reached(url: str) -> dict[str, Any]:
    at = make_url(url)
    return {"host": at.host, "port": at.port, "user": at.username, "password": at.password, "database": at.database}


def cursor_at_server(url: str) -> Callable[[], int]:
    def run() -> int:
        read = 0
        with (
            closing(pymysql.connect(**reached(url))) as connection,
            connection.cursor(pymysql.cursors.SSCursor) as cursor,
        ):
            cursor.execute("SELECT * FROM big")
            while rows := cursor.fetchmany(50_000):
                read += len(rows)
        return read

    return run


def copy(url: str) -> Callable[[], int]:
    command = [find("psql", "postgresql-client"), url, "-qc", "\\copy big to /dev/null with (format binary)"]

    def run() -> int:
        subprocess.run(command, check=True)
        return 0

    return run


def connectorx(url: str) -> Callable[[], int]:
    import connectorx as cx

    def run() -> int:
        rows: int = cx.read_sql(
            url.replace("sqlite:///", "sqlite://"), "SELECT * FROM big", return_type="arrow"
        ).num_rows
        return rows

    return run


def bronze(url: str, load: str, rows: int) -> Callable[[], int]:
    import medallion_assets.runs.ingest
    import medallion_assets.sources.database.mysql
    import medallion_assets.sources.database.postgres
    import medallion_assets.sources.database.sqlite  # noqa: F401 - imports are not what is compared
    from medallion_assets import Project

    root = Path(mkdtemp())
    (root / "intents").mkdir()
    (root / "intents/big.yaml").write_text(INTENT.replace("URL", url).replace("LOAD", load))
    project = Project.load(root)
    (plan,) = project.plans
    last_day = date(2024, 1, 1) + timedelta(days=rows // ROWS_A_DAY - 1)
    partition = project.partition(plan, last_day.isoformat()) if load == LAST else project.current(plan)

    def run() -> int:
        try:
            return project.ingest(plan, partition).commit.load.rows
        finally:
            shutil.rmtree(root)

    return run


def peak_rss_anon(stop: threading.Event, peak: list[int]) -> None:
    while not stop.wait(0.01):
        status = Path("/proc/self/status").read_text()
        peak[0] = max(peak[0], int(status.split("RssAnon:")[1].split()[0]))


def child(what: str, url: str, rows: int) -> None:
    import polars as pl  # the import is not what is compared

    pl.DataFrame({"a": [1]}).lazy().collect()
    run = {
        "copy": lambda: copy(url),
        "cursor": lambda: cursor_at_server(url),
        "connectorx": lambda: connectorx(url),
        "bronze": lambda: bronze(url, FULL, rows),
        "last": lambda: bronze(url, LAST, rows),
    }[what]()
    stop, peak = threading.Event(), [0]
    watch = threading.Thread(target=peak_rss_anon, args=(stop, peak))
    watch.start()
    began = time.perf_counter()
    read = run()
    took = time.perf_counter() - began
    stop.set()
    watch.join()
    print(json.dumps({"seconds": took, "mib": peak[0] / 1024, "rows": read}))


def measured(what: str, url: str, rows: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--child", what, "--url", url, "--rows", str(rows)]
    answer = subprocess.run(command, check=True, capture_output=True, text=True)
    facts: dict[str, float] = json.loads(answer.stdout)
    return facts


def compare(title: str, url: str, jobs: dict[str, str], rows: int, runs: int) -> None:
    found: dict[str, list[dict[str, float]]] = {what: [] for what in jobs}
    for _ in range(runs):
        for what, facts in found.items():
            facts.append(measured(what, url, rows))
    base = statistics.median(facts["seconds"] for facts in next(iter(found.values())))
    print(f"\n{title}: {rows:,} rows, {runs} runs\n{'':44}{'wall s':>8}{'ratio':>8}{'RssAnon MiB':>13}{'rows':>11}")
    for what, label in jobs.items():
        wall, memory = statistics.median(f["seconds"] for f in found[what]), max(f["mib"] for f in found[what])
        print(f"{label:44}{wall:8.2f}{wall / base:8.2f}{memory:13.0f}{found[what][0]['rows']:11,.0f}", flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=5_000_000)
    arguments.add_argument("--runs", type=int, default=3)
    arguments.add_argument("--child", help=argparse.SUPPRESS)
    arguments.add_argument("--url", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.child:
        child(given.child, given.url, given.rows)
        return
    with TemporaryDirectory(prefix="medallion-") as folder, postgres(Path(folder)) as server:
        fill_postgres(server.url, given.rows)
        jobs = {"copy": "psql COPY binary to /dev/null", "bronze": "bronze", "last": "bronze, the last 1 % by cursor"}
        compare("PostgreSQL", server.url, jobs, given.rows, given.runs)
    with TemporaryDirectory(prefix="medallion-") as folder:
        path = Path(folder) / "big.db"
        fill_sqlite(path, given.rows)
        jobs = {"connectorx": "ConnectorX into Arrow", "bronze": "bronze"}
        compare("SQLite", f"sqlite:///{path}", jobs, given.rows, given.runs)
    with TemporaryDirectory(prefix="medallion-") as folder, mariadb(Path(folder)) as server:
        fill_mariadb(server, given.rows)
        jobs = {"cursor": "PyMySQL, a cursor at the server", "bronze": "bronze"}
        compare("MariaDB", server.url, jobs, given.rows, given.runs)


if __name__ == "__main__":
    main()
