"""What the live tests do in a browser: log in, look, press, and take pictures."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

PICTURES = Path(__file__).parents[2] / ".artifacts"
PATIENCE = 60_000.0  # milliseconds


@dataclass
class Site:
    """The page, as a browser finds it.

    :param home: where Airflow is.
    """

    home: str
    context: BrowserContext
    page: Page
    hosts: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)

    def log_in(self, username: str, password: str) -> None:
        """Log in as a person does."""
        self.context.clear_cookies()
        self.page.goto(f"{self.home}/")
        self.page.fill("input[name=username]", username)
        self.page.fill("input[name=password]", password)
        self.page.keyboard.press("Enter")
        self.page.get_by_role("link", name="Exports").wait_for(timeout=PATIENCE)

    def go(self, path: str = "plugin/exports") -> None:
        """Open a page of Airflow."""
        self.page.goto(f"{self.home}/{path}")
        self.page.get_by_role("tab", name="Collectors").wait_for(timeout=PATIENCE)

    def row(self, export_id: str) -> Any:
        """Return the row of an export."""
        return self.page.get_by_role("row").filter(has_text=export_id)

    def exported(self, export_id: str) -> int:
        """Return how far an export is, as its bar says."""
        bar = self.row(export_id).get_by_role("progressbar")
        return int(bar.get_attribute("aria-valuenow") or 0) if bar.count() else 0

    def connect(
        self, conn_id: str, kind: str, fields: dict[str, str], extra: dict[str, str] | None = None
    ) -> None:
        """Create a connection by the form."""
        self.page.goto(f"{self.home}/connections")
        self.page.get_by_role("button", name="Add Connection").click()
        form = self.page.get_by_role("dialog")
        form.get_by_role("textbox", name="Connection ID").fill(conn_id)
        form.get_by_role("combobox", name="Connection Type").fill(kind)
        self.page.keyboard.press("Enter")
        for name, value in fields.items():
            form.locator(f"[name={name}]").fill(value)
        if extra:
            form.get_by_role("button", name="Extra Fields", exact=True).click()
        for name, value in (extra or {}).items():
            field = form.locator(f"[name=element_{name}]")
            # unlike filling, clicking waits until the form has unfolded
            field.click()
            field.fill(value)
        self.picture(f"form-{conn_id}")
        form.get_by_role("button", name="Save").click()
        expect(form).to_have_count(0)

    def test_connection(self, conn_id: str) -> str:
        """Press the button of a connection, and return what Airflow says then."""
        self.page.goto(f"{self.home}/connections")
        row = self.page.get_by_role("row").filter(has_text=conn_id)
        row.get_by_role("button", name="Test Connection").click()
        said = self.page.get_by_role("status").filter(
            has_text=re.compile("Test Connection (Failed|Successful)")
        )
        return said.inner_text(timeout=PATIENCE)

    def choose_appearance(self, name: str) -> None:
        """Switch between light and dark by Airflow's own menu."""
        self.page.get_by_role("button", name="User").click()
        self.page.get_by_role("menuitem", name="Appearance").click()
        self.page.get_by_role("menuitemradio", name=name).click()

    def serious_faults(self) -> list[str]:
        """Return what axe finds wrong with the page's accessibility, as far as that matters."""
        found = Axe().run(self.page, context=".twx-page").response["violations"]
        return [
            f"{it['id']}: {it['nodes'][0]['html']}" for it in found if it["impact"] in ("serious", "critical")
        ]

    def picture(self, name: str) -> None:
        """Keep what the page looks like, without the ring around what has the focus."""
        PICTURES.mkdir(exist_ok=True)
        no_ring = ".twx-page :focus-visible { outline: none !important; }"
        self.page.screenshot(path=PICTURES / f"exports-page-{name}.png", style=no_ring)
