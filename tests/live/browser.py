"""Chromium without a window, as a person uses it: look, click, type, wait until it is to be seen.

Debian's own `chromium` and `chromium-driver`; nothing is downloaded and the profile is new each
time. What was seen can be kept as pictures in `build/pages`.
"""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import (
    NoSuchElementException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

PROGRAMS = ("chromium", "chromedriver")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-dev-shm-usage",
    "--hide-scrollbars",
)  # fmt: skip
DESKTOP, PHONE = (1200, 900), (390, 844)
PICTURES = Path(__file__).resolve().parents[2] / "build" / "pages"
TALLEST = 4000
PATIENCE = 90
# Of a page that is just being replaced.
_MOVING = (NoSuchElementException, StaleElementReferenceException)


class Browser:
    """One window. `url` is where the pages are."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, path: str) -> None:
        self.driver.get(self.url + path)

    @property
    def path(self) -> str:
        return str(self.driver.current_url).removeprefix(self.url)

    def text(self, css: str = "main") -> str:
        return self.one(css).text

    def one(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def link(self, text: str) -> None:
        """Click the link with this text."""
        self.driver.find_element(By.LINK_TEXT, text).click()

    def button(self, text: str) -> None:
        found = [b for b in self.all("button") if b.is_displayed() and b.text == text]
        assert len(found) == 1, f"{len(found)} buttons {text!r} on {self.path}"
        found[0].click()

    def type(self, name: str, text: str) -> None:
        """Into the field of this name, in place of what is there."""
        field = self.one(f"[name={name}]")
        field.clear()
        field.send_keys(text)

    def choose(self, css: str, value: str) -> None:
        Select(self.one(css)).select_by_value(value)

    def until(self, what: str, holds: Callable[[], Any]) -> Any:
        """Wait, without a reload: the page keeps itself fresh."""
        try:
            return WebDriverWait(self.driver, PATIENCE, 0.2, ignored_exceptions=_MOVING).until(
                lambda _: holds()
            )
        except TimeoutException:
            self.picture("failure")
            said = self.text("body")[-3000:]
            raise AssertionError(f"waited in vain for {what} on {self.path}:\n{said}") from None

    def until_seen(self, text: str, css: str = "main") -> None:
        self.until(repr(text), lambda: text in self.text(css))

    def until_at(self, path: str) -> None:
        self.until(f"the page {path}", lambda: self.path.split("#")[0] == path)

    def complaints(self) -> list[str]:
        """What the console says: a blocked script, a broken style, an exception."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]

    def resize(self, size: tuple[int, int]) -> None:
        width, height = size
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def overflow(self) -> int:
        """By how many pixels the page is wider than the window."""
        script = "const d = document.documentElement; return d.scrollWidth - d.clientWidth"
        return int(self.driver.execute_script(script))

    def picture(self, name: str) -> None:
        """The whole page as build/pages/NAME.png."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        height = min(size["height"], TALLEST)
        clip = {"x": 0, "y": 0, "width": size["width"], "height": height, "scale": 1}
        shot = self.driver.execute_cdp_cmd(
            "Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip}
        )
        (PICTURES / f"{name}.png").write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def chromium(url: str, profile: Path, *, script: bool = True) -> Iterator[Browser]:
    """A fresh browser; skipped where there is none (in CI that is a failure)."""
    missing = [name for name in PROGRAMS if not shutil.which(name)]
    if missing:
        reason = f"needs {' and '.join(missing)} on PATH (Debian: chromium, chromium-driver)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    options = Options()
    options.binary_location = str(shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={DESKTOP[0]},{DESKTOP[1]}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    if not script:
        blocked = {"profile.managed_default_content_settings.javascript": 2}
        options.add_experimental_option("prefs", blocked)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield Browser(driver, url)
    finally:
        driver.quit()
