"""``python -m benchmarks.side_by_side``: let both clients meet all servers, and print the table."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.programs import UnavailableError
from benchmarks.side_by_side.clients import OURS, build_linphone
from benchmarks.side_by_side.servers import SERVERS
from benchmarks.side_by_side.stage import Server, play
from benchmarks.side_by_side.table import as_json, as_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.side_by_side.clients import Client
    from benchmarks.side_by_side.stage import Run

# They mostly wait, so that many at once disturb each other little.
AT_ONCE = 24


async def all_runs(clients: Sequence[Client], servers: Sequence[Server]) -> dict[str, list[Run]]:
    """Each client at each server, the longest first, so that the end is not spent waiting for the last of them."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(client: Client, server: Server) -> Run:
        async with turn:
            return await play(server, client)

    tasks = {}
    async with asyncio.TaskGroup() as group:
        for server in sorted(servers, key=lambda server: -server.window):
            for client in clients:
                tasks[client.name, server.name] = group.create_task(one(client, server))
    return {client.name: [tasks[client.name, server.name].result() for server in servers] for client in clients}


def linphone(directory: Path) -> Client:
    """The client of liblinphone, built and tried.

    Raises:
        UnavailableError: It cannot be built or run.
    """
    client = build_linphone(directory)
    asyncio.run(play(Server("trial", "200", lambda stage: stage.serve(users=None), 0.5, mends=True), client))
    return client


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--only", action="append", metavar="NAME", help="meet this server; may be repeated")
    given = parser.parse_args(arguments)
    names = [server.name for server in SERVERS]
    unknown = set(given.only or ()).difference(names)
    if unknown:
        parser.error(f"no such server: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    servers = [server for server in SERVERS if not given.only or server.name in given.only]
    with tempfile.TemporaryDirectory() as directory:
        clients = [OURS]
        try:
            clients.insert(0, linphone(Path(directory)))
        except UnavailableError as error:
            print(f"ours runs alone, because there is no liblinphone to run: {error}", file=sys.stderr)
        runs = asyncio.run(all_runs(clients, servers))
    print(as_json(servers, runs) if given.json else as_table(servers, runs))


if __name__ == "__main__":
    main()
