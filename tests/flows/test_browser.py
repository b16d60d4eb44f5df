"""What a person sees: Prefect's UI and the report in Chromium, after a real run of each kind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from flows._cli.checkout import ROOT
from flows._server import local as _server
from tests.helpers.page_audit import SCHEMES, WIDTHS, faults_of
from tests.helpers.served import ask
from tests.helpers.tiny import TINY

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--window-size=1400,1000",
)
MAX_PICTURE_BYTES = 200_000
IN_DOCS = ("form", "run", "artifact")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A server with its pages, on which the project's deployments, a training and a batch prediction are."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("PREFECT_")]:
            patch.delenv(name)
        patch.setenv("PREFECT_HOME", str(folder / "home"))
        server = _server.launch(full=True)
        patch.setenv("PREFECT_API_URL", server.url)
        try:
            server.go()
            server.wait_until_up()
            fill(folder)
            yield server.url, folder
        finally:
            server.end()


def fill(folder):
    (folder / "inbox").mkdir()
    rows = [{"source": [1 + i % 6, 2, 3, 4]} for i in range(50)] + [{"source": []}]
    (folder / "inbox" / "monday.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    store = ("--store", str(folder / "store"))
    for words in (
        ["prefect", "--no-prompt", "work-pool", "create", "nightly-seq2seq", "--type", "process"],
        ["prefect", "--no-prompt", "deploy", "--all"],
        ["flows.train_and_eval", *TINY, "--name", "reverse_first", *store],
        [
            *("flows.batch_predict", str(folder / "inbox"), "--output", str(folder / "predictions")),
            *("--settle", "0", *store),
        ],
        ["flows.store", "pages", "--outputs", str(folder / "predictions"), *store],
    ):
        done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def picture(browser, tmp_path):
    """Keeps a screenshot; those that the docs show in `SEQ2SEQ_PICTURES`, where that is set."""

    def take(name):
        folder = Path(os.environ.get("SEQ2SEQ_PICTURES", tmp_path) if name in IN_DOCS else tmp_path)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        assert browser.save_screenshot(str(path))
        assert 5_000 < path.stat().st_size < MAX_PICTURE_BYTES

    return take


def until(browser, condition, seconds=60):
    """What the condition gives, once it is true; a page that is drawn anew meanwhile is asked again."""
    return WebDriverWait(browser, seconds, ignored_exceptions=[StaleElementReferenceException]).until(condition)


def see(browser, *texts):
    """Waits until the page shows these texts."""
    for text in texts:
        until(browser, lambda page, text=text: text in page.find_element(By.TAG_NAME, "body").text)


def click(browser, text, tag="a"):
    """Clicks the first element that shows this text, once there is one; lists are drawn as far as one scrolls."""

    def is_clicked(page):
        found = page.find_elements(By.XPATH, f"//{tag}[contains(., '{text}')]")
        shown = next((element for element in found if element.is_displayed()), None)
        if shown:
            shown.click()
        else:
            page.execute_script("document.querySelectorAll('*').forEach(part => part.scrollTop = part.scrollHeight)")
        return bool(shown)

    until(browser, is_clicked)


def pictures_are_drawn(browser):
    """Whether every picture of the page has come and has a size."""
    script = "return [...document.querySelectorAll('img')].map(image => image.complete && image.naturalWidth)"
    widths = browser.execute_script(script)
    return widths and all(width > 100 for width in widths)


def fetched(browser):
    """The addresses that the page has asked."""
    return browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")


def test_a_deployments_form_offers_each_setting_with_its_meaning_and_default(browser, site, picture):
    api, _ = site
    (deployment,) = ask(api, "deployments", deployments={"name": {"any_": ["weekly"]}})
    browser.get(f"{api.removesuffix('/api')}/deployments/deployment/{deployment['id']}/run")
    see(browser, "experiment", "Units", "units of each recurrent layer", "folder of the artifact store")
    values = browser.execute_script(
        "return [...document.querySelectorAll('input, textarea')].map(input => input.value)"
    )
    assert {"reverse_first", "100000", "128"} <= {*values}
    picture("form")


@pytest.mark.parametrize(
    ("title", "artifact", "texts", "names"),
    [
        (
            "train and eval reverse_first",
            "report-reverse-first",
            ("held-out sequences right", "source", "expected"),
            ("training", "artifact"),
        ),
        ("predict inbox into predictions", "batch-predict-accounts", ("monday.jsonl", "51", "50"), ("run", "table")),
    ],
)
def test_a_run_is_found_by_its_name_and_leads_to_its_artifacts(browser, site, picture, title, artifact, texts, names):
    api, _ = site
    base = api.removesuffix("/api")
    browser.get(f"{base}/runs")
    see(browser, title)
    click(browser, title)
    see(browser, title, "Completed")
    until(browser, lambda page: page.find_elements(By.TAG_NAME, "canvas"), seconds=30)  # of the timeline
    picture(names[0])
    click(browser, "Artifacts", tag="*[not(*)]")  # the tab
    click(browser, artifact)
    see(browser, *texts)
    if artifact.startswith("report-"):
        until(browser, pictures_are_drawn, seconds=30)
    picture(names[1])
    assert fetched(browser)
    assert [address for address in fetched(browser) if not address.startswith((base, "data:"))] == []


def test_the_report_on_disk_shows_its_pictures(browser, site, picture):
    _, folder = site
    (page,) = folder.glob("store/report/*/report.html")
    browser.get(page.as_uri())
    see(browser, "reverse_first", "Learning curve")
    assert len(browser.find_elements(By.TAG_NAME, "svg")) == 4
    picture("report")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(
    "name",
    [
        "store/report/*/report.html",
        "predictions/_report.html",
        "store/pages/index.html",
        "store/pages/leaderboard.html",
    ],
)
def test_a_page_can_be_read_at_any_width_in_dark_and_in_light(browser, site, name, width, scheme):
    _, folder = site
    (page,) = folder.glob(name)
    assert faults_of(browser, page.as_uri(), width, scheme) == []


def test_the_server_answers_on_loopback_alone(site):
    api, _ = site
    assert httpx.get(f"{api}/health").status_code == 200
    assert api.startswith("http://127.0.0.1:")
