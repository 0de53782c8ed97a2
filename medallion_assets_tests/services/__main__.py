"""Start every server that is installed, print where it is as platform.yaml spells it, and wait for Ctrl-C."""

import json
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from medallion_assets_tests.services.databases import DatabaseServer, mariadb, postgres
from medallion_assets_tests.services.kafka import KafkaServer, kafka
from medallion_assets_tests.services.objects import AzureServer, S3Server, azurite, s3
from medallion_assets_tests.services.process import NotInstalled

Server = S3Server | AzureServer | DatabaseServer | KafkaServer


def main() -> int:
    """0; what is not installed is said and left out."""
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


if __name__ == "__main__":
    sys.exit(main())
