"""A page opened in a real Chromium, with what it logged and asked for."""

from decimal import Decimal
from pathlib import Path

from playwright.sync_api import Browser, Page


class Visit:
    """A page with what it logged and asked for."""

    def __init__(self, browser: Browser, page_file: Path, width: int = 1280, scheme: str = "light") -> None:
        dark = scheme == "dark"
        self.page: Page = browser.new_page(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light"
        )
        self.trouble: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.trouble.append(message.text))
        self.page.on("pageerror", lambda error: self.trouble.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(page_file.as_uri())
        self.page.wait_for_load_state("load")
        self.home = page_file.as_uri()

    def overflow(self) -> int:
        return int(self.page.evaluate("document.documentElement.scrollWidth - innerWidth"))

    def column(self, cell: str, visible: bool = True) -> list[str]:
        rows = "#budgets-table tbody tr:not([hidden])" if visible else "#budgets-table tbody tr"
        return self.page.locator(f"{rows} {cell}").all_text_contents()


def parsed(text: str) -> Decimal:
    """A number as the page writes it for people."""
    return Decimal(text.replace(",", "").replace("\u2212", "-"))
