"""A person in front of a browser, who clicks, types and reads; and what their browser asked for meanwhile."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from selenium.common.exceptions import (
    ElementClickInterceptedException,
    ElementNotInteractableException,
    StaleElementReferenceException,
    TimeoutException,
)
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from orchestration.screenshots import browser

PATIENCE = 180
AGAIN = 3
LOGS = {"goog:loggingPrefs": {"performance": "ALL", "browser": "ALL"}}
REQUESTS = {"Network.requestWillBeSent": ("request", "url"), "Network.webSocketCreated": ("url",)}
OUTWARD = ("http", "https", "ws", "wss", "ftp")

# The page may be drawn anew between the moment we find something and the moment we use it.
GONE = (StaleElementReferenceException, ElementClickInterceptedException, ElementNotInteractableException)


class Person:
    """Finds everything as a reader does, by the text that stands there; `where` arguments are XPath."""

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome

    def goes_to(self, url: str) -> None:
        self.chrome.get(url)

    def clicks(self, where: str, shows: str = "") -> None:
        """Clicks once the page takes it; again where what it `shows` does not come, because the page was redrawn."""
        self._until(lambda: self._clicked(where), f"nobody can click {where}")
        while shows and not self._comes(shows):
            self._until(lambda: self._clicked(where), f"nobody can click {where}")

    def types(self, text: str) -> None:
        """Replaces what stands in the editor on top."""
        self.clicks("(//*[contains(@class, 'CodeMirror-lines')])[last()]")
        keys = ActionChains(self.chrome).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL)
        keys.send_keys(Keys.DELETE, text, Keys.ESCAPE).perform()

    def presses_enter(self) -> None:
        ActionChains(self.chrome).send_keys(Keys.ENTER).perform()

    def reads(self, where: str) -> str:
        """The text of what is there, once it is."""
        return str(self._until(lambda: self._text(where), f"there is no {where}"))

    def sees(self, text: str) -> None:
        """Waits until the page says it."""
        self._until(lambda: text in (self._text("//body") or ""), f"the page does not say {text!r}")

    @contextmanager
    def in_new_tab(self, where: str) -> Iterator[None]:
        """Clicks a link that opens a tab, and is there for the length of the block."""
        before = self.chrome.current_window_handle
        known = set(self.chrome.window_handles)
        self.clicks(where)
        self._until(lambda: set(self.chrome.window_handles) > known, "no tab opens")
        (new,) = set(self.chrome.window_handles) - known
        self.chrome.switch_to.window(new)
        yield
        self.chrome.close()
        self.chrome.switch_to.window(before)

    def requested(self) -> set[str]:
        """Hosts that the browser asked for anything since this was last called."""
        entries: list[Mapping[str, Any]] = self.chrome.get_log("performance")
        found = set()
        for entry in entries:
            message = json.loads(entry["message"])["message"]
            if message["method"] in REQUESTS:
                address: Any = message["params"]
                for key in REQUESTS[message["method"]]:
                    address = address[key]
                parts = urlsplit(address)
                found |= {parts.hostname or ""} if parts.scheme in OUTWARD else set()
        return found

    def complaints(self) -> list[str]:
        """Errors in the browser's console since this was last called."""
        entries: list[Mapping[str, Any]] = self.chrome.get_log("browser")
        return [entry["message"] for entry in entries if entry["level"] == "SEVERE"]

    def _until(self, condition: Callable[[], Any], otherwise: str) -> Any:
        try:
            return WebDriverWait(self.chrome, PATIENCE, ignored_exceptions=GONE).until(lambda _: condition())
        except TimeoutException:
            raise AssertionError(f"{otherwise}; the page says: {self._text('//body')}") from None

    def _comes(self, where: str) -> bool:
        try:
            WebDriverWait(self.chrome, AGAIN, ignored_exceptions=GONE).until(lambda _: self._visible(where))
        except TimeoutException:
            return False
        return True

    def _clicked(self, where: str) -> bool:
        found = [element for element in self._visible(where) if element.is_enabled()]
        for element in found[:1]:
            element.click()
        return bool(found)

    def _text(self, where: str) -> str | None:
        found = self._visible(where)
        return found[0].text if found else None

    def _visible(self, where: str) -> list[WebElement]:
        return [element for element in self.chrome.find_elements(By.XPATH, where) if element.is_displayed()]


@contextmanager
def at_the_browser() -> Iterator[Person]:
    """Someone with a new browser.

    Raises:
        ScreenshotError: there is none on this machine.
    """
    with browser(LOGS) as chrome:
        yield Person(chrome)
