"""A secret that is easily found again, whatever was done to it."""

from __future__ import annotations

import base64
from urllib.parse import quote, quote_plus

SECRET = "Xk9+quibble/%3D&tangerine=="  # of characters that change when they are encoded


def revealing(texts: list[str]) -> list[str]:
    """Where the secret stands, as it is or in another form."""
    raw = SECRET.encode()
    forms = [SECRET, quote(SECRET, ""), quote(SECRET), quote_plus(SECRET), base64.b64encode(raw).decode(), raw.hex()]
    forms += [base64.b64encode(b"x" * skip + raw).decode()[4 * bool(skip) :][:-4] for skip in (1, 2)]
    forms.append(repr(SECRET)[1:-1])
    return [text[max(0, text.index(form) - 100) :][:200] for text in texts for form in forms if form in text]
