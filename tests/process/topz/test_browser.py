"""The page in a real browser: headless Chromium, driven through its own driver."""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from kit.need import find_program, need
from kit.ports import free_port
from kit.process import Child, Part
from kit.wait import until

# --no-sandbox: tests may run as root. The rest keeps the browser from calling home, which takes time where nothing
# answers.
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--window-size=1440,1000",
]
HOLD = "print('ready', flush=True); import signal; signal.pause()"
EVIL = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"


class Page:
    """A browser on the page."""

    def __init__(self, browser: webdriver.Chrome, part: Part, address: str) -> None:
        self.browser = browser
        self.part = part
        self.address = address

    def open(self, query: str = "") -> "Page":
        self.browser.get(f"{self.address}/topz{query}")
        return self

    def find(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def texts(self, selector: str) -> list[str]:
        """The text of all elements, read in one step: the page may be replaced between two."""
        found = self.browser.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)", selector
        )
        return [str(text) for text in found]

    def text(self, selector: str) -> str:
        return "".join(self.texts(selector)[:1])

    def attribute(self, selector: str, name: str) -> object:
        """An attribute, read in one step."""
        return self.browser.execute_script(
            "return document.querySelector(arguments[0])?.getAttribute(arguments[1])", selector, name
        )

    def click(self, selector: str) -> None:
        def clicked() -> bool:
            self.find(selector).click()
            return True

        self.until(f"{selector} is clicked", clicked)

    def send(self, selector: str, *keys: str) -> None:
        def sent() -> bool:
            self.find(selector).send_keys(*keys)
            return True

        self.until(f"{selector} takes keys", sent)

    def complaints(self) -> list[str]:
        """What the console got since it was asked last."""
        return [str(entry["message"]) for entry in self.browser.get_log("browser")]  # type: ignore[no-untyped-call]

    def press(self, *keys: str) -> None:
        self.find("body").send_keys(*keys)

    def until(self, why: str, condition: Callable[[], object]) -> None:
        """Waits; like a person it does not mind that the page was replaced while it looked."""

        def patient() -> object:
            try:
                return condition()
            except (StaleElementReferenceException, NoSuchElementException):
                return False

        until(patient, timeout=15, why=why, show=lambda: str(self.complaints()))

    def numbers(self, key: str) -> list[float]:
        """The column's raw numbers from top to bottom."""
        script = (
            "const n = [...document.querySelectorAll('thead th')].findIndex(th => th.dataset.key === arguments[0]);"
            "const rows = [...document.querySelectorAll('tbody tr')].filter(row => row.cells.length > 1);"
            "return rows.map(row => Number(row.cells[n].dataset.v))"
        )
        return [float(number) for number in self.browser.execute_script(script, key)]

    def mark(self) -> None:
        """Marks the part of the page that a refresh replaces."""
        self.browser.execute_script("document.querySelector('#live').dataset.old = '1'")

    def fresh(self) -> bool:
        """Whether it was replaced since."""
        return self.browser.execute_script("return document.querySelector('#live').dataset.old === undefined") is True


@pytest.fixture
def browse(part: Callable[..., Part], tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """A maker of pages. At the end the console must be empty: no error, no violation of the Content-Security-Policy."""
    need("chromium")
    opened: list[Page] = []

    def maker(*, script: bool = True, **env: object) -> Page:
        port = free_port()
        settings = {"LISTEN": f"127.0.0.1:{port}", "REFRESH": "250ms", "RECORD_EVERY": "1s", **env}
        running = part("topz", **settings)
        options = webdriver.ChromeOptions()
        options.binary_location = find_program("chromium") or find_program("google-chrome") or "chromium"
        for flag in (*FLAGS, f"--user-data-dir={tmp_path / f'profile{len(opened)}'}"):
            options.add_argument(flag)
        if not script:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        browser = webdriver.Chrome(options=options, service=Service(find_program("chromedriver") or "chromedriver"))
        opened.append(Page(browser, running, f"http://127.0.0.1:{port}"))
        return opened[-1]

    try:
        yield maker
        for page in opened:
            assert page.complaints() == []
    finally:
        for page in opened:
            with contextlib.suppress(WebDriverException):
                page.browser.quit()


@pytest.fixture
def sleeper(start: Callable[..., Child]) -> Callable[..., Child]:
    """A child with the arguments asked for, which does nothing."""

    def maker(*arguments: str) -> Child:
        made = start([sys.executable, "-c", HOLD, *arguments])
        made.until_logged("ready")
        return made

    return maker


def sorted_down(numbers: list[float]) -> bool:
    return numbers == sorted(numbers, reverse=True)


def test_the_page_refreshes_itself(browse: Callable[..., Page]) -> None:
    page = browse().open()
    page.mark()
    page.until("the page is refreshed", page.fresh)
    assert page.text(".status") == "live"


def test_a_click_sorts_and_the_next_refresh_keeps_it(browse: Callable[..., Page]) -> None:
    page = browse().open("?view=flat&rows=0")
    page.click('th[data-key="rss"] a')
    assert page.attribute('th[data-key="rss"]', "aria-sort") == "descending"
    assert sorted_down(page.numbers("rss"))
    page.mark()
    page.until("the page is refreshed", page.fresh)
    assert sorted_down(page.numbers("rss"))
    assert "sort=rss" in page.browser.current_url
    page.click('th[data-key="rss"] a')
    page.until("it is sorted the other way", lambda: page.numbers("rss") == sorted(page.numbers("rss")))


def test_the_keys_of_top_sort(browse: Callable[..., Page]) -> None:
    page = browse().open("?view=flat&rows=0")
    for key, column in (("M", "mem"), ("T", "time"), ("P", "cpu")):
        page.press(key)
        page.until(f"{key} sorts", partial(page.attribute, f'th[data-key="{column}"]', "aria-sort"))
    page.press("N")
    page.until("N sorts", lambda: page.numbers("pid") == sorted(page.numbers("pid")))


def test_typing_filters(browse: Callable[..., Page], sleeper: Callable[..., Child]) -> None:
    one, _ = sleeper("--needle=41"), sleeper("--hay=42")
    page = browse().open()
    page.press("/")
    page.browser.switch_to.active_element.send_keys("needle=41")
    page.until("one process is left", lambda: page.numbers("pid") == [one.pid])
    assert "needle%3D41" in page.browser.current_url
    page.browser.switch_to.active_element.send_keys(Keys.CONTROL, "a")
    page.browser.switch_to.active_element.send_keys(Keys.DELETE)
    page.until("all are back", lambda: len(page.numbers("pid")) > 1)


def test_pause_holds_the_page_and_resume_goes_on(browse: Callable[..., Page]) -> None:
    page = browse().open()
    page.click("#pause")
    page.until("it says so", lambda: page.text(".status") == "paused")
    page.mark()
    looks = page.part.metric("topz_looks_total")
    page.until("topz looked some more", lambda: page.part.metric("topz_looks_total") > looks + 2)
    assert not page.fresh()
    page.press(" ")
    page.until("it goes on", page.fresh)


def test_the_slider_shows_the_past_and_live_comes_back(
    browse: Callable[..., Page], sleeper: Callable[..., Child]
) -> None:
    page = browse()
    page.until("three moments are recorded", lambda: page.part.metric("topz_recorder_moments") >= 3)
    later = sleeper("--came-later")
    page.until("the child is recorded", lambda: page.open("?q=came-later").numbers("pid") == [later.pid])
    page.send("#at", Keys.HOME)
    page.until("the past is shown", lambda: page.text(".status") == "recorded")
    assert "at=" in page.browser.current_url
    assert page.numbers("pid") == []
    page.press("L")
    page.until("the present is shown", lambda: page.text(".status") == "live" and page.numbers("pid") == [later.pid])


def test_the_brackets_step_through_the_recording(browse: Callable[..., Page]) -> None:
    page = browse()
    page.until("three moments are recorded", lambda: page.part.metric("topz_recorder_moments") >= 4)
    page.open()
    page.press("[")
    page.until("the past is shown", lambda: page.text(".status") == "recorded")
    first = page.text(".facts b")
    page.press("[")
    page.until("an earlier moment is shown", lambda: page.text(".facts b") < first)
    page.press("]")
    page.until("the moment before is shown again", lambda: page.text(".facts b") == first)


def test_a_click_on_a_process_opens_it_and_escape_closes_it(
    browse: Callable[..., Page], sleeper: Callable[..., Child]
) -> None:
    chosen = sleeper("--chosen")
    page = browse().open(f"?q=pid:{chosen.pid}")
    page.until("it is seen", lambda: page.numbers("pid") == [chosen.pid])
    page.click("tbody td a")
    page.until("its details are shown", lambda: "--chosen" in page.text(".detail pre"))
    assert len(page.texts("tr.chosen")) == 1
    page.press(Keys.ESCAPE)
    page.until("they are closed", lambda: not page.texts(".detail"))


def test_v_draws_the_tree(browse: Callable[..., Page]) -> None:
    page = browse().open("?rows=0")
    page.press("V")
    page.until(
        "branches are drawn", lambda: any(text.startswith(("└─", "├─")) for text in page.texts("table.tree td.c"))
    )


def test_a_comparison_lists_who_came(browse: Callable[..., Page], sleeper: Callable[..., Child]) -> None:
    page = browse()
    page.until("two moments are recorded", lambda: page.part.metric("topz_recorder_moments") >= 2)
    sleeper("--newcomer")
    page.until("it is listed", lambda: any("--newcomer" in text for text in page_of_changes(page)))


def page_of_changes(page: Page) -> list[str]:
    page.browser.get(f"{page.address}/topz/diff")
    return page.texts("section:nth-of-type(2) td.c")


def test_markup_in_a_command_line_stays_text(browse: Callable[..., Page], sleeper: Callable[..., Child]) -> None:
    evil = sleeper(EVIL)
    page = browse().open(f"?rows=0&pid={evil.pid}")
    page.mark()
    page.until("the page is refreshed", page.fresh)
    assert any(EVIL in text for text in page.texts("td.c"))
    assert EVIL in page.text(".detail pre")
    assert not page.texts("img")
    assert page.browser.title != "owned"


def test_a_script_that_slipped_in_would_not_run(browse: Callable[..., Page]) -> None:
    page = browse().open("?pause=1")
    page.browser.execute_script(
        "const s = document.createElement('script'); s.textContent = \"document.title = 'owned'\";"
        "document.body.append(s);"
        "const i = document.createElement('div'); i.setAttribute('onclick', \"document.title = 'owned'\");"
        "document.body.append(i); i.click()"
    )
    assert page.browser.title != "owned"
    violations = page.complaints()
    assert len(violations) == 2
    assert all("Content Security Policy" in violation for violation in violations)


def test_without_javascript_links_and_forms_do_the_same(
    browse: Callable[..., Page], sleeper: Callable[..., Child]
) -> None:
    plain = sleeper("--plain=1")
    page = browse(script=False)
    page.until("two moments are recorded", lambda: page.part.metric("topz_recorder_moments") >= 2)
    page.open("?pause=1&view=flat&rows=0")
    page.click('th[data-key="rss"] a')
    assert "sort=rss" in page.browser.current_url
    assert page.attribute('th[data-key="rss"]', "aria-sort") == "descending"
    field = page.find('input[name="q"]')
    field.send_keys("plain=1", Keys.ENTER)
    page.until("one row is left", lambda: len(page.browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 1)
    assert str(plain.pid) in page.find("tbody tr").text
    assert "sort=rss" in page.browser.current_url
    page.click("#earlier")
    page.until("the past is shown", lambda: page.find(".status").text == "recorded")
    assert page.browser.find_elements(By.CSS_SELECTOR, ".moves noscript button")


def test_without_javascript_the_page_reloads_by_itself(browse: Callable[..., Page]) -> None:
    page = browse(script=False).open()
    looks = page.part.metric("topz_looks_total")
    first = page.find(".facts b").text
    page.until("the page shows a later time", lambda: page.find(".facts b").text != first)
    assert page.part.metric("topz_looks_total") > looks


def test_a_topz_that_stopped_is_noticed(browse: Callable[..., Page]) -> None:
    page = browse().open()
    page.part.signal(signal.SIGSTOP)
    page.part.kill()
    page.until("the page says so", lambda: page.text(".status").startswith("no answer"))
    page.browser.get("about:blank")  # it would go on trying
    assert all("ERR_" in complaint for complaint in page.complaints())


def test_the_token_opens_the_page_in_a_browser(browse: Callable[..., Page]) -> None:
    page = browse(TOKEN="open sesame").open("?sort=rss")
    page.find('input[name="token"]').send_keys("open sesame", Keys.ENTER)
    page.until("the page is shown as asked for", lambda: page.texts("table") and "sort=rss" in page.browser.current_url)
    page.complaints()  # the 401 that asked for the token
    page.mark()
    page.until("it refreshes itself", page.fresh)


@pytest.mark.parametrize("width", [1440, 900, 390])
def test_nothing_is_wider_than_the_window(browse: Callable[..., Page], width: int) -> None:
    page = browse()
    page.browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    page.open(f"?pid={os.getpid()}")
    assert page.browser.execute_script("return document.documentElement.scrollWidth") <= width


def test_the_page_follows_the_systems_colours(browse: Callable[..., Page]) -> None:
    page = browse()
    seen = []
    for scheme in ("light", "dark"):
        page.browser.execute_cdp_cmd(
            "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        )
        page.open()
        seen.append(page.browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert seen == ["rgb(251, 250, 248)", "rgb(18, 19, 22)"]
