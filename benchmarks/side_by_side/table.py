"""What came of it, as a Markdown table for people or as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.side_by_side.stage import Run, Server

__all__ = ["as_json", "as_table", "remark", "states"]

_STORM = 2.0
"""REGISTERs a second, over the whole window, that no server here gives a reason for."""


def as_json(servers: Sequence[Server], runs: Mapping[str, Sequence[Run]]) -> str:
    """Everything that was noted.

    Args:
        servers: The servers.
        runs: The runs by the name of the client, in the order of the servers.
    """
    rows = [
        {
            "server": server.name,
            "story": server.story,
            "window": server.window,
            "mends": server.mends,
            "runs": {client: asdict(met[place]) for client, met in runs.items()},
        }
        for place, server in enumerate(servers)
    ]
    return json.dumps(rows, indent=1)


def as_table(servers: Sequence[Server], runs: Mapping[str, Sequence[Run]]) -> str:
    """The table, with the columns of the clients side by side; arguments as for `as_json`."""
    head = ["Server", "What it does"]
    for met in runs.values():
        head += [met[0].client, "sent", "seconds"]
    rows = [[*head, "Remark"], ["---"] * (len(head) + 1)]
    for place, server in enumerate(servers):
        cells = [f"`{server.name}`", server.story]
        remarks = []
        for client, met in runs.items():
            run = met[place]
            cells += [states(run), str(len(run.sent)), _seconds(run, server)]
            remarks += [f"{client} {said}" for said in [remark(run, server)] if said]
        rows.append([*cells, "; ".join(remarks)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def states(run: Run) -> str:
    """The states in their order; what came several times in a row is counted, pairs of states too."""
    words = [line.state for line in run.lines]
    parts = []
    at = 0
    while at < len(words):
        period, times = max(((period, _times(words, at, period)) for period in (1, 2)), key=lambda found: found[1])
        text = ", ".join(words[at : at + period])
        if times > 1:
            text = f"{text} x{times}" if period == 1 else f"({text}) x{times}"
        parts.append(text)
        at += period * times
    return ", ".join(parts) or "nothing"


def remark(run: Run, server: Server) -> str:
    """What does not stand in the states: where they are not true, storms, and when the client says it will go on."""
    said = run.lines[-1].state if run.lines else "nothing"
    registered = said in ("Ok", "Refreshing")
    remarks = []
    if run.died:
        remarks.append("ended by itself")
    if registered and not run.bindings:
        remarks.append(f"says {said} without a binding")
    if run.bindings and not registered:
        remarks.append(f"says {said} with a binding")
    if len(run.sent) > _STORM * server.window:
        remarks.append(f"sends {len(run.sent) / server.window:.0f} a second")
    if run.lines and run.lines[-1].retry_at is not None:
        remarks.append(f"announces its next attempt for second {run.lines[-1].retry_at:.0f}")
    return " and ".join(remarks)


def _times(words: Sequence[str], at: int, period: int) -> int:
    """How often the next so many words come in a row."""
    pattern = words[at : at + period]
    times = 1
    while words[at + times * period : at + (times + 1) * period] == pattern:
        times += 1
    return times


def _seconds(run: Run, server: Server) -> str:
    if run.seconds is not None:
        return f"{run.seconds:.1f}"
    return f"not in {server.window:.0f}" if server.mends else "-"
