"""Somebody looking at the page."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect

PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)

# For each visible element with text of its own: its contrast with what is painted behind it (WCAG 2.2).
_CONTRASTS = """() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const luminance = (colour) => {
    const linear = (v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = colour.slice(0, 3).map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
      if (colour[3] !== 0) throw new Error("translucent: " + e.outerHTML);
    }
    return [255, 255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const text = [...element.childNodes].filter((n) => n.nodeType === 3).map((n) => n.data.trim()).join("");
    if (!text || !element.checkVisibility() || element.closest(".unseen, noscript")) continue;
    const both = [luminance(rgba(getComputedStyle(element).color)), luminance(behind(element))];
    found.push([text.slice(0, 40), (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05)]);
  }
  return found;
}"""


class Visit:
    """`complaints` has what the console said, `requests` every address that was asked for."""

    def __init__(self, page: Page, url: str, *, stops_the_clock: bool = False) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.requests.append(request.url))
        if stops_the_clock:
            page.clock.install()
        page.goto(url)
        expect(page.locator("#model")).not_to_be_empty()

    @property
    def heading(self) -> Any:
        return self.page.locator("#stage")

    def figure(self, card: str) -> Any:
        """The great number of a card."""
        return self.page.locator(f"#{card} [data-figure]")

    def contrasts(self) -> list[tuple[str, float]]:
        """Text and its contrast."""
        return [(text, ratio) for text, ratio in self.page.evaluate(_CONTRASTS)]

    def scrolls_sideways(self) -> bool:
        return bool(self.page.evaluate("document.documentElement.scrollWidth > innerWidth"))

    def focused(self) -> str:
        """What has the keyboard: its text."""
        return str(self.page.evaluate("document.activeElement.textContent.trim()"))
