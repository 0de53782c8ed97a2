"""``medallion samples``: what it says, and what it serves."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import Request, urlopen

from typer.testing import CliRunner

from medallion_assets.cli.app import app


def test_it_says_what_it_made(tmp_path: Path) -> None:
    asked = ["-C", str(tmp_path), "samples", "shop", "--rows", "50", "--days", "2", "--start", "2025-03-01"]
    told = CliRunner().invoke(app, asked)
    assert told.exit_code == 0, told.output
    assert "shop.orders" in told.output
    assert f"medallion -C {tmp_path / 'shop'} run --from 2025-03-01 --to 2025-03-02" in told.output
    again = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert {one["dataset"]: one["rows"] for one in again}["bank.transactions"] == 50
    taken = CliRunner().invoke(app, ["samples", str(tmp_path)])
    assert (taken.exit_code, "CLI-017" in taken.output) == (1, True)


# Programs in the background are often told to ignore the signal.
LISTENING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import sys; "
MAIN = LISTENING + "from medallion_assets.cli.app import main; sys.exit(main())"


def test_it_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MAIN, "samples", str(tmp_path / "shop"), "--rows", "20"]
    with subprocess.Popen([*command, "--serve", "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith("Serving"))
        found = re.search(r"export SAMPLES_URL=(\S+)", line)
        assert found is not None
        asked = Request(
            f"{found[1]}/tickets?from=2024-01-01T00:00:00Z&to=2024-01-08T00:00:00Z",
            headers={"Authorization": "Bearer sample-token"},
        )
        with urlopen(asked, timeout=10) as reply:
            assert len(json.load(reply)["tickets"]) == 20
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
