"""`freshrank checkpoints`."""

from __future__ import annotations

from typing import Any

from consumer.cli import console, options, stores


def checkpoints(config: options.ConfigFiles = None, as_json: options.Json = False) -> None:
    """List the checkpoints: version, positions, size, quality, and whether their state was good enough to go out."""
    settings = options.settings_of(config)

    from consumer.checkpoints import requests

    store = stores.existing_store(settings)
    before, readable = store.names(), requests.readable(store)
    # A worker may save and remove some meanwhile; what stays unreadable and in its place is damaged.
    damaged = sorted((set(before) - {name for name, _ in readable}) & set(store.names()))
    if damaged:
        console.warn(f"damaged, and left out: {', '.join(damaged)}")
    found: list[dict[str, Any]] = [
        {
            "checkpoint": name,
            "version": notes.version,
            "epoch": notes.epoch,
            "saved_at": notes.saved_at,
            "verdict": notes.verdict,
            "quality": notes.quality,
            "positions": {str(p): at for p, at in sorted(notes.input_positions.items())},
            "discarded": notes.discarded,
            "bytes": store.n_bytes(name),
        }
        for name, notes in readable
    ]
    if as_json:
        console.say_json({"model": settings.model, "checkpoints": found})
        return
    if not found:
        console.say(f"no checkpoints in {settings.checkpoints.directory} yet")
        return
    columns: dict[str, list[str]] = {
        "version": [str(c["version"]) for c in found],
        "epoch": [str(c["epoch"]) for c in found],
        "saved at": [c["saved_at"][:19] + "Z" for c in found],
        "verdict": [c["verdict"] for c in found],
        "hit ratio": [_figure(c["quality"], "hit_ratio") for c in found],
        "positions": [" ".join(f"{p}:{at}" for p, at in c["positions"].items()) for c in found],
        "MiB": [f"{c['bytes'] / (1 << 20):.1f}" for c in found],
    }
    console.numbered(f"checkpoints in {settings.checkpoints.directory}, oldest first", columns)


def _figure(quality: dict[str, float], name: str) -> str:
    return f"{quality[name]:.4f}" if name in quality else "-"
