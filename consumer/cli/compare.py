"""`freshrank compare`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from consumer.cli import console, options
from consumer.cli.signals import stop_requests

if TYPE_CHECKING:
    from consumer.comparison.calibration import Calibration
    from consumer.comparison.compare import Comparison
    from consumer.comparison.compared import Compared

_MODEL = "`live`, a replay's name, or the directory of a checkpoint."


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help=_MODEL, show_default=False)],
    second: Annotated[str, typer.Argument(metavar="B", help=_MODEL, show_default=False)],
    config: options.ConfigFiles = None,
    records: Annotated[
        int, typer.Option(min=1, help="Wait until so many have come in behind what both models have learned.")
    ] = 1,
    most: Annotated[
        int, typer.Option("--most", min=1, help="Records of the input to compare on, at the most.")
    ] = 200_000,
    top: Annotated[int, typer.Option(min=1, max=100_000, help="Best items whose overlap is told.")] = 100,
    as_json: options.Json = False,
) -> None:
    """Put two models to the same test: the events that came in behind what both have learned.

    Each learns on from its checkpoint up to where the other stands too; from there on both are asked about every event
    just before they learn it. Told are hit ratio and MRR among 20 with 95 % intervals (bootstrap over sessions, the
    difference paired), whether scores say what follows, and how far the two agree. Nothing is changed or published.

    Examples:

    \b
    freshrank compare live default-replay --records 20000
    freshrank compare monday tuesday --top 500 --json
    """
    settings = options.settings_of(config)
    console.be_quiet()

    from consumer.comparison.compare import common_stretch
    from consumer.comparison.compare import compare as compare_models
    from consumer.comparison.compared import load_compared

    models = load_compared(first, settings), load_compared(second, settings)
    with stop_requests() as should_stop:
        stretch = common_stretch(
            settings, models, records, most, should_stop, lambda n: console.note(f"waiting for {n:,} more records")
        )
    found = compare_models(models, stretch, top)
    if as_json:
        console.say_json(_as_json(models, found))
    else:
        _say(models, found)


def _as_json(models: tuple[Compared, Compared], found: Comparison) -> dict[str, Any]:
    figures = found.figures
    return {
        "models": [{"name": m.label, "checkpoint": m.checkpoint} for m in models],
        "stretch": {str(p): [begin, found.stretch.ends[p]] for p, begin in sorted(found.stretch.begins.items())},
        "questions": figures.n_questions,
        "asked": list(figures.n_asked),
        "hit_ratio": None if figures.hit_ratio is None else asdict(figures.hit_ratio),
        "mrr": None if figures.mrr is None else asdict(figures.mrr),
        "calibration": [{**asdict(c), "error": c.error} for c in found.calibrations],
        "agreement": asdict(found.agreement),
    }


def _say(models: tuple[Compared, Compared], found: Comparison) -> None:
    figures, agreement = found.figures, found.agreement
    names = [m.label for m in models]
    console.say(
        f"{found.stretch.n_offsets:,} records behind what both have learned; {figures.n_questions:,} questions to both"
        f" ({names[0]}: {figures.n_asked[0]:,}, {names[1]}: {figures.n_asked[1]:,})"
    )
    measures = {"hit ratio at 20": figures.hit_ratio, "MRR at 20": figures.mrr}
    shown = (("first", names[0]), ("second", names[1]), ("difference", f"{names[1]} − {names[0]}"))
    rows = [
        (f"{measure}, {whose}", getattr(paired, which))
        for measure, paired in measures.items()
        if paired is not None
        for which, whose in shown
    ]
    if rows:
        console.table(
            "test, then learn",
            {
                "measure": [name for name, _ in rows],
                "value": [f"{one.value:.4f}" for _, one in rows],
                "95 % interval": [f"{one.low:.4f} … {one.high:.4f}" for _, one in rows],
            },
        )
    else:
        console.warn("nothing to ask both: no event of somebody whose history both know")
    console.table(
        "scores, in %: what groups of items, the likeliest first, were expected to get, and what they got",
        {
            "group": [str(k + 1) for k in range(len(found.calibrations[0].expected))],
            **{
                f"{name} {what}": [f"{100 * share:.2f}" for share in getattr(calibration, field)]
                for name, calibration in zip(names, found.calibrations, strict=True)
                for what, field in (("expected", "expected"), ("got", "followed"))
            },
        },
    )
    for name, calibration in zip(names, found.calibrations, strict=True):
        console.say(f"{name}: {_told(calibration)}")
    correlation = "-" if agreement.rank_correlation is None else f"{agreement.rank_correlation:.4f}"
    console.say(
        f"of the best {agreement.n_top:,} items {100 * agreement.top_overlap:.1f} % are the same; rank correlation of "
        f"scores {correlation} over {agreement.n_common:,} items (of {agreement.n_items[0]:,} and "
        f"{agreement.n_items[1]:,})"
    )


def _told(calibration: Calibration) -> str:
    loss = "-" if calibration.log_loss is None else f"{calibration.log_loss:.4f} nats"
    return (
        f"{100 * calibration.error:.2f} % of the interactions went elsewhere than expected, log-loss {loss}, "
        f"{100 * calibration.new_share:.2f} % on items new to it"
    )
