"""`python -m tests.docs`: writes docs/settings.md anew."""

from __future__ import annotations

from tests.docs.settings_page import PAGE, settings_page

if __name__ == "__main__":
    PAGE.write_text(settings_page(), encoding="utf-8")
