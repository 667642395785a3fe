"""Health check of the image, which has no curl: exit code 0 if the worker on this machine is alive.

Usage: healthy.py [PAGE], by default healthz. The port is that of the worker's settings in the environment.
"""

from __future__ import annotations

import os
import sys
import urllib.error
import urllib.request

TIMEOUT_S = 4


def main() -> int:
    page = sys.argv[1] if len(sys.argv) > 1 else "healthz"
    port = os.environ.get("FRESHRANK__TELEMETRY__PORT", "9464")
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{page}", timeout=TIMEOUT_S):
            return 0
    except (urllib.error.URLError, OSError) as error:
        sys.stderr.write(f"{page}: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
