"""Opens a report page in Chromium and takes pictures of it: light and dark, phone and desktop.

    python3 tools/check_report_page.py PAGE PREFIX [CHROMIUM]

Prints, for each, when the text and when all charts were there, what the page asked the network for (nothing but
itself) and what the console said, and fails where anything is wrong. Needs playwright (pip) and any Chromium.
"""

import pathlib
import sys

from playwright.sync_api import sync_playwright

MISSING = "document.querySelectorAll('canvas').length < document.querySelectorAll('[data-figure]').length"


def main():
    page = pathlib.Path(sys.argv[1]).resolve()
    prefix = sys.argv[2]
    chromium = sys.argv[3] if len(sys.argv) > 3 else "/usr/bin/chromium"
    wrong = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            for name, width, height in (("phone", 390, 844), ("desktop", 1280, 900)):
                context = browser.new_context(
                    viewport={"width": width, "height": height}, color_scheme=scheme)
                tab = context.new_page()
                requests, said = [], []
                tab.on("request", lambda request: requests.append(request.url))
                tab.on("console", lambda message: said.append(message.text))
                tab.on("pageerror", lambda error: said.append(str(error)))
                tab.goto(page.as_uri())
                while tab.evaluate(MISSING):
                    pass
                drawn = tab.evaluate("performance.now()")
                text = tab.evaluate("performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0")
                wider = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
                tab.screenshot(path=f"{prefix}-{scheme}-{name}.png", full_page=True)
                print(f"{scheme} {name}: text after {text:.0f} ms, charts after {drawn:.0f} ms")
                wrong += [f"asked for {url}" for url in requests if url != page.as_uri()]
                wrong += [f"the console says: {line}" for line in said]
                if wider > 0:
                    wrong.append(f"{scheme} {name}: {wider} pixels wider than the screen")
                context.close()
        browser.close()
    for line in wrong:
        print(line)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
