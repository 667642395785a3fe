"""The real worker, as `freshrank run` runs it, on a thread of its own."""

from __future__ import annotations

import threading

from consumer import app
from consumer.errors import Fatal
from consumer.settings import Settings
from consumer.telemetry.scraping import Scrape, scrape


class Working:
    """Under way from construction on, until `stop`."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stopping = threading.Event()
        self._serving = threading.Event()
        self._url = ""
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="demo-worker", daemon=True)
        self._thread.start()

    def is_ready(self) -> bool:
        """Whether it has recovered and reads. Raises what ended it."""
        return self.metrics().value("freshrank_ready") == 1

    def metrics(self) -> Scrape:
        """As of now. Raises what ended the worker."""
        self._serving.wait()
        self._raise_failure()
        return scrape(self._url)

    def stop(self) -> None:
        """Have it publish and save what it learned. Raises what ended it instead."""
        self.abandon()
        self._raise_failure()

    def abandon(self) -> None:
        """Stop it, however it ends."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            app.run(self._settings, self._stopping.is_set, on_serving=self._note_serving)
        except Exception as error:  # noqa: BLE001 - raised again on the thread that asks
            self._failure = error
        finally:
            self._serving.set()

    def _note_serving(self, url: str) -> None:
        self._url = url
        self._serving.set()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure
        if not self._thread.is_alive() and not self._stopping.is_set():
            raise Fatal("the worker ended by itself")
