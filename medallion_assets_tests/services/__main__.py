"""Start every server that is installed, print where it is as platform.yaml spells it, and wait for Ctrl-C.

With ``--fetch`` only what Maven and npm bring is fetched, so that no test waits for it.
"""

import json
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from medallion_assets_tests.services.databases import DatabaseServer, mariadb, postgres
from medallion_assets_tests.services.kafka import KafkaServer, kafka, kafka_libs
from medallion_assets_tests.services.objects import AzureServer, S3Server, azurite, azurite_modules, s3
from medallion_assets_tests.services.process import NotInstalled

Server = S3Server | AzureServer | DatabaseServer | KafkaServer


def main() -> int:
    """0; what is not installed is said and left out. With ``--fetch``: 1 when something could not be fetched."""
    if sys.argv[1:] == ["--fetch"]:
        return _fetch()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with ExitStack() as running:
        starts: dict[
            str, Callable[[Path], AbstractContextManager[S3Server | AzureServer | DatabaseServer | KafkaServer]]
        ]
        starts = {"s3": s3, "azure": azurite, "postgres": postgres, "mariadb": mariadb, "kafka": kafka}
        for name, start in starts.items():
            folder = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="medallion-")))
            try:
                server = running.enter_context(start(folder))
            except NotInstalled as missing:
                print(f"{name}: {missing}", file=sys.stderr)
            else:
                print(f"{name}: {json.dumps(server.store())}", flush=True)
        print("Ctrl-C ends them.", flush=True)
        signal.pause()
    return 0


def _fetch() -> int:
    try:
        kafka_libs()
        azurite_modules()
    except NotInstalled as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
