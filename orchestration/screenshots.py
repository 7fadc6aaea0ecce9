"""Pictures of the running UI for the documentation, taken with headless Chromium so that anyone can take them again."""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from rich.console import Console

from orchestration.environment import child_environment
from orchestration.profile import Profile
from orchestration.workspace import workspace_arguments
from serving.ports import free_port

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

START_SECONDS = 90
PAGE_SECONDS = 60
SETTLE_SECONDS = 3
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class ScreenshotError(RuntimeError):
    """The pictures cannot be taken; the message says what is missing."""


@dataclass(frozen=True)
class Picture:
    """One page of the UI.

    Args:
        file: Name of the picture, without its ending.
        path: Page of the UI.
        shows: Text that must stand on the page before the picture is taken.
        opens: Metadata entry whose Markdown is opened before the picture is taken.
        size: Width and height of the window, pixels.
    """

    file: str
    path: str
    shows: str
    opens: str | None = None
    size: tuple[int, int] = (1600, 1000)


def pictures(groups: Iterable[str]) -> tuple[Picture, ...]:
    """What is photographed; the lineage shows `groups` unfolded."""
    unfolded = ",".join(f"global@global:{group}" for group in groups)
    return (
        Picture("lineage", f"/asset-groups?expanded={unfolded}", shows="raw_events", size=(2200, 1500)),
        Picture("model", "/assets/hstu_model?view=events", shows="learning_curve", opens="learning_curve"),
        Picture("evaluation", "/assets/evaluation?view=events", shows="time_plot", opens="time_plot"),
        Picture("checks", "/assets/events?view=checks", shows="Succeeded"),
    )


def take_all(profile: Profile, folder: Path, console: Console) -> None:
    """Takes every picture into `folder`.

    Raises:
        ScreenshotError: no browser, no UI, or a page does not show what it should.
    """
    from orchestration.definitions import defs

    graph = defs().resolve_asset_graph()
    groups = sorted({str(graph.get(key).group_name) for key in graph.get_all_asset_keys()})
    folder.mkdir(parents=True, exist_ok=True)
    with _user_interface(profile) as url, browser() as chrome:
        for picture in pictures(groups):
            _take(chrome, url, picture, folder / f"{picture.file}.png")
            console.print(f"{folder / picture.file}.png")


def _take(chrome: "Chrome", url: str, picture: Picture, target: Path) -> None:
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait

    chrome.set_window_size(*picture.size)
    chrome.get(url + picture.path)
    wait = WebDriverWait(chrome, PAGE_SECONDS)
    try:
        wait.until(lambda page: picture.shows in page.find_element(By.TAG_NAME, "body").text)
        if picture.opens:
            link = f"//tr[contains(., '{picture.opens}')]//*[text()='[Show Markdown]']"
            wait.until(lambda page: page.find_elements(By.XPATH, link))[0].click()
    except TimeoutException as error:
        raise ScreenshotError(
            f"{picture.path} of the UI does not show '{picture.shows}' within {PAGE_SECONDS} s: run `genrec demo` first"
        ) from error
    # The page lays out and animates after its text is there, and says nowhere when it has finished.
    time.sleep(SETTLE_SECONDS)
    chrome.save_screenshot(str(target))


@contextmanager
def _user_interface(profile: Profile) -> Iterator[str]:
    """A web server of our own on a free port, for as long as the pictures take."""
    port = free_port()
    server = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("dagster-webserver")),
            *workspace_arguments(),
            *("-h", "127.0.0.1", "-p", str(port)),
        ],
        env=child_environment(profile),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, server)
        yield url
    finally:
        server.terminate()
        server.wait()


def _wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            if httpx.get(f"{url}/server_info", trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.5)
    raise ScreenshotError(f"Dagster's web server does not answer at {url}: try `genrec ui` and read what it says")


@contextmanager
def browser(capabilities: Mapping[str, object] | None = None) -> Iterator["Chrome"]:
    """A new headless Chromium, which does nothing but what it is told.

    Raises:
        ScreenshotError: it is not installed.
    """
    try:
        from selenium import webdriver
    except ImportError as error:
        raise ScreenshotError("selenium is not installed: pip install -e '.[dev]'") from error
    chromium, driver = (shutil.which(name) for name in ("chromium", "chromedriver"))
    if not chromium or not driver:
        raise ScreenshotError("Chromium and its driver are needed: sudo apt-get install chromium chromium-driver")
    with tempfile.TemporaryDirectory() as data:
        options = webdriver.ChromeOptions()
        options.binary_location = chromium
        for flag in (*FLAGS, f"--user-data-dir={data}"):
            options.add_argument(flag)
        for name, value in (capabilities or {}).items():
            options.set_capability(name, value)
        chrome = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        try:
            yield chrome
        finally:
            chrome.quit()
