"""A REST list of 1,000 pages of 100 records, 20 ms each, into bronze: how near to what the latency alone allows.

    python benchmarks/rest.py [--pages 1000] [--latency 0.02] [--concurrency 8]

The server is another process. By cursor no page can be asked for before the one before has answered: the bound is pages
times latency. By page number ``--concurrency`` may be under way at once: the bound is that share of it. Each is a whole
ingest of a project on local disk, commit included.
"""

import argparse
import json
import multiprocessing
import tempfile
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from medallion_assets.project import Project

RECORDS = 100
INTENT = """
system: bench
table: rows
source:
  type: api
  base_url: "http://127.0.0.1:{port}"
  path: /rows
  pagination: {pagination}
  records: rows
  concurrency: {concurrency}
load: full
partitions: {{cadence: none}}
"""


def serve(port: Connection, pages: int, latency: float) -> None:
    class Rows(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = 1 << 16

        def do_GET(self) -> None:
            page = int(parse_qs(urlsplit(self.path).query).get("page", ["1"])[0])
            rows = [{"id": page * RECORDS + n, "name": f"row {n}", "value": n / 7} for n in range(RECORDS)]
            document = {"rows": rows if page <= pages else [], "next": str(page + 1) if page < pages else None}
            body = json.dumps(document).encode()
            time.sleep(latency)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Rows)
    port.send(server.server_port)
    server.serve_forever()


def ingest(port: int, pagination: str, concurrency: int) -> tuple[float, int]:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "intents").mkdir()
        text = INTENT.format(port=port, pagination=pagination, concurrency=concurrency)
        (root / "intents/rows.yaml").write_text(text)
        project = Project.load(root)
        plan = project.plan("bench.rows")
        began = time.perf_counter()
        done = project.ingest(plan, project.current(plan))
        return time.perf_counter() - began, done.commit.load.rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--latency", type=float, default=0.02)
    parser.add_argument("--concurrency", type=int, default=8)
    options = parser.parse_args()
    here, there = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(
        target=serve, args=(there, options.pages, options.latency), daemon=True
    )
    server.start()
    port = int(here.recv())
    ingest(port, "none", 1)  # what is imported once
    bound = options.pages * options.latency
    cases = {
        "by cursor": ("{type: cursor, param: page, next: next}", 1, bound),
        "by page number": ("{type: page}", options.concurrency, bound / options.concurrency),
    }
    for name, (pagination, concurrency, least) in cases.items():
        seconds, rows = ingest(port, pagination, concurrency)
        print(f"{name:15} {rows:,} rows  {seconds:6.2f} s  bound {least:.2f} s  ratio {seconds / least:.2f}")
    server.terminate()


if __name__ == "__main__":
    main()
