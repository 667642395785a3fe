"""`freshrank show-config`."""

from __future__ import annotations

import sys

from consumer import settings_loading
from consumer.cli import options


def show_config(config: options.ConfigFiles = None) -> None:
    """Print the settings in force, defaults included, as a settings file; secrets show as ***."""
    sys.stdout.write(settings_loading.shown(options.settings_of(config)))
