"""The archive of reports: a page that lists every unit's newest nights, and the reports themselves.

All nights of a unit stand in its calendar, which the job `report` writes beside them.
"""

import html
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from moe import publish
from moe.settings import settings

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Reports</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}}
li{{margin:.2rem 0}}b{{color:#176d3c}}</style><h1>Reports</h1>{units}</html>"""

NEWEST = 14
"Nights that are listed where the unit has a calendar of all."


def index() -> str:
    """The page that lists the reports. A unit's live night is marked."""
    units = sorted(path.parent.parent for path in settings().reports.glob("*/*/index.html"))
    parts = []
    for unit in dict.fromkeys(units):
        live = publish.live("release", unit.name)
        nights = sorted((path.parent.name for path in unit.glob("*/index.html")), reverse=True)
        calendar = (unit / "index.html").exists()
        rows = "".join(f'<li><a href="/{html.escape(unit.name)}/{night}/index.html">night of {night}</a>'
                       f'{" <b>live</b>" if live and live.moved_to == night else ""}</li>'
                       for night in (nights[:NEWEST] if calendar else nights))
        all_nights = (f'<p><a href="/{html.escape(unit.name)}/index.html">All {len(nights)} nights: calendar and '
                      "comparison</a></p>" if calendar else "")
        parts.append(f"<h2>{html.escape(unit.name)}</h2>{all_nights}<ul>{rows}</ul>")
    return _PAGE.format(units="".join(parts) or "<p>No night has run yet: <code>make nightly</code> runs one.</p>")


class Handler(SimpleHTTPRequestHandler):
    """Files below the reports' folder, and the list of them at /."""

    def do_GET(self) -> None:
        if self.path != "/":
            super().do_GET()
            return
        page = index().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)


def serve(folder: Path, port: int) -> None:
    with ThreadingHTTPServer(("127.0.0.1", port), partial(Handler, directory=str(folder))) as server:
        server.serve_forever()


if __name__ == "__main__":
    serve(settings().reports, settings().reports_port)
