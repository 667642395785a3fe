"""A headless Chromium: Debian's, since Playwright's own cannot be downloaded everywhere."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from consumer.status.document import Status
from tests.broker import skip_or_fail
from tests.page.serving import Stage
from tests.page.visits import Visit

Show = Callable[[Status], Stage]
Look = Callable[..., Visit]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """For all tests of this folder; while Playwright is there, an event loop runs on this thread."""
    path = shutil.which("chromium")
    if path is None:
        skip_or_fail("a browser is missing; Debian's package chromium has one", os.environ)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def show() -> Iterator[Show]:
    """Serves a status."""
    with ExitStack() as cleanup:

        def served(status: Status) -> Stage:
            stage = Stage(status)
            cleanup.callback(lambda: stage.stop())
            return stage

        yield served


@pytest.fixture
def look(browser: Browser) -> Iterator[Look]:
    """Opens an address as somebody with this screen would; what the page said and asked for is noted."""
    with ExitStack() as cleanup:

        def opened(
            url: str, *, width: int = 1280, height: int = 900, scheme: str = "light", stops_the_clock: bool = False
        ) -> Visit:
            context = browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if scheme == "dark" else "light",
            )
            cleanup.callback(context.close)
            page: Page = context.new_page()
            return Visit(page, url, stops_the_clock=stops_the_clock)

        yield opened
