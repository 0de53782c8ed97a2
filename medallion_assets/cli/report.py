"""``medallion report``: judge every check anew, write the page, show it on request."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from medallion_assets.cli.options import AsJson, Debug, Env, Names, Root, command, document, options_of

if TYPE_CHECKING:
    from medallion_assets.cli.commands import DatasetStatus
    from medallion_assets.report.quality import Verdict

__all__ = ["report"]


@command
def report(
    context: typer.Context,
    intents: Names = None,
    *,
    serve: Annotated[bool, typer.Option("--serve", help="Show the page on this machine until Ctrl-C.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 0,
    project: Root = None,
    env: Env = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Judge every check of what is loaded and write the quality report, a page of HTML, into the lake."""
    options = options_of(context, project, env, as_json, debug)
    loaded = options.load()
    from medallion_assets.cli.commands import status
    from medallion_assets.report.page import page, points
    from medallion_assets.report.quality import Quality

    names = intents or [plan.name for plan in loaded.plans if plan.enabled and not plan.not_built]
    verdicts = [v for one in status(loaded, names, verify=True) for v in _verdicts(one)]
    quality = Quality(verdicts, loaded.clock.now())
    where = loaded.write_report(page(quality))
    if options.as_json:
        scores = {name: quality.score_of(name) for name in quality.datasets}
        document({"report": where, "score": quality.score, "datasets": scores})
    else:
        print(f"{where}\n{len(quality.datasets):,} datasets, score {points(quality.score)} of 100")
    if serve:
        _serve(page(quality), port)


def _verdicts(found: "DatasetStatus") -> "Iterator[Verdict]":
    from medallion_assets.report.quality import WHOLE, Verdict

    plan = found.plan
    for check in found.checks:
        yield Verdict(plan.name, plan.dataset.label, check.partition or WHOLE, check)
    for silver in found.silvers:
        for check in silver.checks:
            yield Verdict(plan.name, silver.name, check.partition or WHOLE, check)


def _serve(text: str, port: int) -> None:
    """One page, to this machine only. Ends with KeyboardInterrupt."""
    from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

    body = text.encode()

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path in ("/", "/index.html")
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
            self.send_header("Content-Length", str(len(body) if found else 0))
            self.end_headers()
            if found:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody wants to read who asked."""

    with ThreadingHTTPServer(("127.0.0.1", port), Page) as server:
        print(f"http://127.0.0.1:{server.server_port} (Ctrl-C to stop)", flush=True)
        server.serve_forever()
