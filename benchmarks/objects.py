"""Bronze parts to an object store and back, against the same bytes without any of it.

    python benchmarks/objects.py [--megabytes 400] [--times 5] [--commits 1000]

Starts the S3 server of the tests (MinIO where it is on the path, else Ceph's gateway). In turn, ``--times`` each: parts
of random bytes as bare multipart uploads of obstore, two at a time; the same bytes as a load commits them: hashed and
stored two at a time, their sizes asked, the commit published. Reading: every part bare, two at a time, and every part
with its SHA-256 verified as a reader does. Ratios are of medians. Last, commits of one dataset one after another: the
first ten against the last ten.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from functools import partial
from hashlib import sha256
from pathlib import Path

import obstore
from pydantic import TypeAdapter

from medallion_assets.bronze.commit import CommitLog
from medallion_assets.bronze.verify import verify
from medallion_assets.intent.platform import Store as StoreSpec
from medallion_assets.lake.manifest import Load, Part, SourceFacts
from medallion_assets.lake.ports import Store
from medallion_assets.lake.window import Window
from medallion_assets.stores.open import open_store
from medallion_assets_tests.services.objects import S3Server, s3

PART_BYTES = 12 << 20
DAY = datetime(2024, 1, 1, tzinfo=timezone.utc)


def load(parts: tuple[Part, ...], day: int, folder: str) -> Load:
    window = Window(DAY + timedelta(days=day), DAY + timedelta(days=day + 1))
    now = datetime.now(timezone.utc)
    return Load(
        pattern="incremental", partition=str(day), path=folder, window=window, run_id="bench", attempt="a", parts=parts,
        rows=0, schema=(), refused=0, quarantine=None, content=sha256(str((day, parts)).encode()).hexdigest(),
        intent="i", source=SourceFacts(), cursor_before=None, cursor_after=None, replaces=(), started_at=now,
        finished_at=now, code_version="bench",
    )  # fmt: skip


def bare(server: S3Server) -> obstore.store.S3Store:
    return obstore.store.S3Store(
        server.bucket, endpoint=server.endpoint, access_key_id=server.access_key, region=server.region,
        secret_access_key=server.secret_key, virtual_hosted_style_request=False, client_options={"allow_http": True},
    )  # fmt: skip


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def upload(put: Callable[[str, bytes], object], data: list[bytes], prefix: str) -> None:
    """Two at a time, as the bronze writer does."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(put, [f"{prefix}/part-{n}" for n in range(len(data))], data))


def download(raw: obstore.store.S3Store, prefix: str, count: int) -> None:
    """Two at a time, as the verification does."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda n: obstore.get(raw, f"{prefix}/part-{n}").bytes(), range(count)))


def commit(store: Store, data: list[bytes], day: int) -> tuple[str, Load]:
    path = f"bench/{day}"
    hashes: list[str] = []

    def put(name: str, whole: bytes) -> None:
        hashes.append(sha256(whole).hexdigest())
        store.put(name, whole)

    upload(put, data, f"{path}/p")
    with ThreadPoolExecutor(8) as pool:
        infos = list(pool.map(store.info, [f"{path}/p/part-{n}" for n in range(len(data))]))
    parts = tuple(
        Part(f"p/part-{n}", n + 1, 1, info.bytes, digest)
        for n, (info, digest) in enumerate(zip(infos, hashes, strict=True))
    )
    log = CommitLog(store, path)
    return path, log.publish(load(parts, day, "p"), log.near(load(parts, day, "p").window))[0].load


def transfer(server: S3Server, store: Store, data: list[bytes], times: int) -> None:
    raw = bare(server)
    up: dict[str, list[float]] = {"bare": [], "committed": []}
    down: dict[str, list[float]] = {"bare": [], "verified": []}
    for turn in range(times):
        up["bare"].append(timed(lambda turn=turn: upload(partial(obstore.put, raw), data, f"bare/{turn}")))  # type: ignore[misc]
        kept: list[tuple[str, Load]] = []
        up["committed"].append(timed(lambda turn=turn, kept=kept: kept.append(commit(store, data, turn))))  # type: ignore[misc]
        down["bare"].append(timed(lambda turn=turn: download(raw, f"bare/{turn}", len(data))))  # type: ignore[misc]
        path, committed = kept[0]
        down["verified"].append(timed(lambda path=path, c=committed: verify(store, path, c)))  # type: ignore[misc]
    size = sum(map(len, data)) / 1e6
    for what, of in (("upload", up), ("read", down)):
        base = statistics.median(of["bare"])
        for name, seconds in of.items():
            middle = statistics.median(seconds)
            print(f"{what:7} {name:10} {middle:6.2f} s  {size / middle:7.0f} MB/s  ratio {middle / base:.2f}")


def commits(store: Store, count: int) -> None:
    log = CommitLog(store, "many")
    seconds = []
    for day in range(count):
        one = load((), day, "p")
        seconds.append(timed(lambda one=one: log.publish(one, log.near(one.window))))  # type: ignore[misc]
    first, last = statistics.median(seconds[:10]), statistics.median(seconds[-10:])
    print(f"commit 1 to 10: {first * 1e3:.1f} ms, the last ten of {count:,}: {last * 1e3:.1f} ms, {last / first:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=400)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--commits", type=int, default=1000)
    options = parser.parse_args()
    data = [os.urandom(PART_BYTES) for _ in range(max(1, options.megabytes * 1_000_000 // PART_BYTES))]
    adapter: TypeAdapter[StoreSpec] = TypeAdapter(StoreSpec)
    with tempfile.TemporaryDirectory() as folder, s3(Path(folder)) as server:
        print(f"{server.kind}, {len(data)} parts of {PART_BYTES >> 20} MiB")
        store = open_store("bench", adapter.validate_python(server.store()), Path())
        transfer(server, store, data, options.times)
        commits(store, options.commits)


if __name__ == "__main__":
    main()
