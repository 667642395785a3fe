"""Options of commands that read recorded files: how a file is read, and what its columns mean."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Annotated

import typer

from consumer.recordings import option_texts
from consumer.recordings.row_files import FileFormat, FileLayout, layout_of

if TYPE_CHECKING:
    from consumer.recordings.row_mapping import MappingPlan
    from consumer.settings import Settings

_FILE = "The file"
_MAPPING = "What its columns mean"

Mapping = Annotated[
    list[str] | None,
    typer.Option(
        "--mapping",
        "--map",
        metavar="FIELD=COLUMN",
        help="Column of a field of the event (event_id, user_id, item_id, event_type, event_time, session_id, "
        "value), if it has another name. Repeatable. Default: the names in input.fields.",
        rich_help_panel=_MAPPING,
    ),
]
TimeColumn = Annotated[
    str, typer.Option(help="The same as --map event_time=COLUMN.", show_default=False, rich_help_panel=_MAPPING)
]
TimeFormat = Annotated[
    str | None,
    typer.Option(
        help='rfc3339, epoch_seconds, epoch_milliseconds or a pattern: "%Y-%m-%d %H:%M:%S UTC". Default: '
        "input.time_format.",
        show_default=False,
        rich_help_panel=_MAPPING,
    ),
]
TypeMap = Annotated[
    list[str] | None,
    typer.Option(metavar="WORD=TYPE", help="Event type for a word of the file. Repeatable.", rich_help_panel=_MAPPING),
]
DefaultType = Annotated[
    str | None,
    typer.Option(help="Event type where the file names none.", show_default=False, rich_help_panel=_MAPPING),
]
Features = Annotated[
    str,
    typer.Option(
        metavar="A,B,C",
        help="Columns that become features of the event, for models.linear.",
        show_default=False,
        rich_help_panel=_MAPPING,
    ),
]
Numbers = Annotated[
    str, typer.Option(metavar="A,B", help="Those that are numbers.", show_default=False, rich_help_panel=_MAPPING)
]
Format = Annotated[FileFormat | None, typer.Option(help="Default: by the file's name.", rich_help_panel=_FILE)]
Columns = Annotated[
    str,
    typer.Option(
        metavar="A,B,C",
        help="Names of the columns of a CSV file without header.",
        show_default=False,
        rich_help_panel=_FILE,
    ),
]
Delimiter = Annotated[
    str, typer.Option(help="Default: comma, or tab for .tsv.", show_default=False, rich_help_panel=_FILE)
]
SkipBadRows = Annotated[
    bool,
    typer.Option(
        "--skip-bad-rows",
        help="Count rows that cannot be used instead of stopping at the first.",
        rich_help_panel=_FILE,
    ),
]


def layout(name: str, file_format: FileFormat | None, columns: str, delimiter: str) -> FileLayout:
    """Of the file of this name. Raises BadRequest."""
    return layout_of(PurePath(name), file_format, option_texts.names("--columns", columns), delimiter or None)


def mapping_plan(
    settings: Settings,
    mapping: list[str] | None,
    time_column: str,
    time_format: str | None,
    type_map: list[str] | None,
    default_type: str | None,
    features: str,
    numbers: str,
) -> MappingPlan:
    """What was asked for, and the settings' names of an input topic where nothing was."""
    from consumer.recordings.row_mapping import FIELDS, MappingPlan

    named = settings.input.fields.model_dump()
    own = {field: named[field] for field in FIELDS if named[field] != field}
    return MappingPlan(
        columns={**own, **option_texts.columns(mapping or [], time_column)},
        time_format=time_format or settings.input.time_format,
        event_types=option_texts.pairs("--type-map", type_map or []),
        default_type=default_type or settings.input.default_event_type or "",
        features=option_texts.names("--features", features),
        numbers=frozenset(option_texts.names("--numbers", numbers)),
    )


def words(
    mapping: list[str] | None,
    time_column: str,
    time_format: str | None,
    type_map: list[str] | None,
    default_type: str | None,
    features: str,
    numbers: str,
    columns: str,
    delimiter: str,
) -> str:
    """The options that say what a file's rows mean, as they were given."""
    given = [
        *(("--map", text) for text in mapping or []),
        ("--time-column", time_column),
        ("--time-format", time_format),
        *(("--type-map", text) for text in type_map or []),
        ("--default-type", default_type),
        ("--features", features),
        ("--numbers", numbers),
        ("--columns", columns),
        ("--delimiter", delimiter),
    ]
    return " ".join(f"{option} {value}" for option, value in given if value)
