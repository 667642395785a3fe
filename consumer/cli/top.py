"""`freshrank top`."""

from __future__ import annotations

from consumer.cli import console, options


def top(config: options.ConfigFiles = None, n: options.Number = 20, as_json: options.Json = False) -> None:
    """Show the items with the greatest published scores."""
    settings = options.settings_of(config)

    from consumer.cli.snapshot import caption, facts, read_snapshot

    snapshot = read_snapshot(settings)
    best = snapshot.top(n)
    if as_json:
        console.say_json({**facts(settings, snapshot), "items": [{"item": i, "score": s} for i, s in best]})
    else:
        columns = {"item": [item for item, _ in best], "score": [f"{score:.6f}" for _, score in best]}
        console.numbered(caption(settings, snapshot), columns)
