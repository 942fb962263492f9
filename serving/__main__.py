"""The service's command: `python -m serving [serve]`, `python -m serving keys add|list|revoke`."""

import argparse
import gc
import logging
import os
import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

from serving import keys
from serving.problems import ServingError
from serving.settings import PREFIX, Settings


def main() -> int:
    arguments = _parser().parse_args()
    try:
        if arguments.command == "keys":
            return _keys(arguments)
        return _serve()
    except ServingError as error:
        print(error, file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    names = ", ".join(PREFIX + f.name.upper() for f in fields(Settings))
    parser = argparse.ArgumentParser("python -m serving", description=__doc__, epilog=f"Settings: {names}.")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("serve", help="answer predictions until told to stop (the default)")
    of_keys = commands.add_parser("keys", help="make, list and revoke API keys").add_subparsers(
        dest="action", required=True)
    for action, text in (("add", "make a key and print it, once"), ("list", "ids and expiries"),
                         ("revoke", "take a key out of force")):
        one = of_keys.add_parser(action, help=text)
        one.add_argument("--file", type=Path, default=os.environ.get(f"{PREFIX}KEYS"), help="the key file "
                         f"(default: {PREFIX}KEYS)")
        if action != "list":
            one.add_argument("--id", required=True, help="who uses it")
        if action == "add":
            one.add_argument("--days", type=float, default=90, help="until it expires (default: 90)")
    return parser


def _keys(arguments: argparse.Namespace) -> int:
    if arguments.file is None:
        raise ServingError("no key file is named", f"give --file, or set {PREFIX}KEYS")
    if arguments.action == "add":
        print(keys.add(arguments.file, arguments.id, arguments.days))
        print("Keep it now: only its hash is stored.", file=sys.stderr)
    elif arguments.action == "revoke":
        keys.revoke(arguments.file, arguments.id)
    else:
        for key in keys.load(arguments.file):
            state = "expired" if key.expires <= datetime.now(UTC) else "expires"
            print(f"{key.id}\t{state} {key.expires.isoformat()}")
    return 0


def _serve() -> int:
    import uvicorn

    from serving.app import App
    from serving.protocol import Protocol

    settings = Settings.read(os.environ)
    if settings.keys is None and not settings.open:
        raise ServingError(f"{PREFIX}KEYS names no key file, so anyone could ask",
                           f"make one with `python -m serving keys add`, or say {PREFIX}OPEN=1")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # The decision log's thread must hand the interpreter back long before a request is late.
    sys.setswitchinterval(0.0001)
    app = App(settings)
    gc.freeze()  # what is loaded by now stays: no collection needs to walk through it
    uvicorn.run(app, host=settings.host, port=settings.port, loop="uvloop", http=Protocol, ws="none",
                lifespan="on", access_log=False, server_header=False, proxy_headers=False, log_config=None,
                timeout_graceful_shutdown=max(1, round(settings.stop_seconds)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
