"""What each page of the studio loads, and how soon it is there, in the system's Chromium on this machine.

::

    python -m benchmarks.first_load

Opens each page five times in a window without a cache. Prints the compressed script that it loads, in kB, and when its
heading can be seen, in ms from the request for the page on: median and maximum. The targets are 250 kB and 1000 ms.
"""

from __future__ import annotations

import shutil
import statistics
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from modelforge.api.studio import BUILT
from tests.live import LiveServer

PAGES = ("/", "/datasets", "/new", "/runs", "/models", "/playground", "/system")
TIMES = 5
SCRIPTS = (
    "performance.getEntriesByType('resource').map(each => new URL(each.name).pathname)"
    ".filter(path => path.endsWith('.js'))"
)


def main() -> None:
    """Print a line for each page."""
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        live = LiveServer(Path(home)).start()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for path in PAGES:
            shown, scripts = [], set[str]()
            for _ in range(TIMES):
                window = browser.new_context(base_url=live.url)
                page = window.new_page()
                page.goto(path)
                page.get_by_role("heading", level=1).wait_for()
                shown.append(float(page.evaluate("performance.now()")))
                page.wait_for_load_state("networkidle")
                scripts |= set(page.evaluate(SCRIPTS))
                window.close()
            size = sum((BUILT / f"{script[1:]}.gz").stat().st_size for script in scripts) / 1e3
            print(f"{path}: {size:.0f} kB, {statistics.median(shown):.0f} ms (at most {max(shown):.0f})")
        browser.close()
        live.close()


if __name__ == "__main__":
    main()
