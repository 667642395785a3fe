"""The status page in a real browser, before made-up statuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from urllib.request import urlopen

import pytest
from playwright.sync_api import expect

from consumer.status.document import Partition, Stage, Status
from tests.page import states
from tests.page.conftest import Look, Show

STATES = [states.live, states.held, states.standby, states.catching_up, states.replaying, states.empty, states.hostile]
PHONE = {"width": 360, "height": 780}
LEAST_CONTRAST = 4.5
each_state = pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)


def test_what_the_worker_is_doing_is_the_first_thing_to_be_read(show: Show, look: Look) -> None:
    visit = look(show(states.live()).url)
    expect(visit.heading).to_have_text("Live")
    expect(visit.page.locator("#story")).to_have_text(
        "Learns 2,013 events a second; readers see 95 of 100 within 580 ms."
    )
    expect(visit.page).to_have_title("Live · winter-shop · freshrank")


@pytest.mark.parametrize(
    ("card", "figure"),
    [("freshness", "580 ms"), ("throughput", "2,013"), ("lag", "212"), ("version", "12,482"), ("quality", "41.2 %")],
)
def test_each_figure_has_its_card(show: Show, look: Look, card: str, figure: str) -> None:
    expect(look(show(states.live()).url).figure(card)).to_have_text(figure)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("top", "linen-shirt-042 3.12 %"),
        ("rising", "snow-shovel 1.41 % 0.06 % × 23.5"),
        ("members", "Popularity 9.4 % 0.031 1,804"),
        ("mixture", "1 d 43.1 %"),
        ("logit", "second hop Item −0.402"),
        ("partitions", "2 3,575,062 3,575,115 53"),
        ("outcomes", "duplicate 1,204"),
        ("checkpoints", "12,470 good 12 s ago 410 ms 298 MiB"),
    ],
)
def test_each_table_has_its_rows(show: Show, look: Look, table: str, row: str) -> None:
    visit = look(show(states.live()).url)
    rows = visit.page.locator(f"#{table} tbody tr")
    found = [
        " ".join(text.split())
        for text in rows.evaluate_all("rows => rows.map(row => [...row.cells].map(c => c.textContent).join(' '))")
    ]
    assert row in found


def test_what_changes_is_shown_without_being_asked_for(show: Show, look: Look) -> None:
    stage = show(states.live())
    visit = look(stage.url)
    expect(visit.figure("version")).to_have_text("12,482")
    stage.show(replace(states.live(), snapshot=states.snapshot(12_483), lag=states.lag([Partition(0, 7, 7, 0)])))
    expect(visit.figure("version")).to_have_text("12,483")
    expect(visit.page.locator("#partitions tbody tr")).to_have_count(1)


def test_a_held_version_says_why_and_what_happens_next(show: Show, look: Look) -> None:
    visit = look(show(states.held()).url)
    expect(visit.heading).to_have_text("Live, versions held")
    expect(visit.page.locator("#since")).to_have_text("for 4 min")
    notice = visit.page.locator(".notice").first
    expect(notice).to_contain_text("New versions are held back")
    expect(notice).to_contain_text("reciprocal rank on the last 500 sampled events is 0.0713 below")
    expect(notice).to_contain_text("Readers keep version 12,482")
    expect(notice).to_contain_text("returns to the last good checkpoint in 6 min")


def test_a_member_that_is_not_heard_and_longer_steps_are_said(show: Show, look: Look) -> None:
    notices = look(show(states.held()).url).page.locator(".notice")
    expect(notices.nth(1)).to_contain_text("Not heard: Item to item")
    expect(notices.nth(2)).to_contain_text("The stream has changed")


def test_a_standby_says_that_it_waits_for_the_lease_and_shows_no_figures(show: Show, look: Look) -> None:
    visit = look(show(states.standby()).url)
    expect(visit.heading).to_have_text("Standing by")
    expect(visit.page.locator("#story")).to_contain_text("Waits for the lease")
    expect(visit.page.locator("#now")).to_be_hidden()


@pytest.mark.parametrize(
    ("stage", "heading"),
    [
        (Stage.STARTING, "Starting"),
        (Stage.TAKING_OVER, "Taking over"),
        (Stage.RECOVERING, "Recovering"),
        (Stage.STOPPING, "Stopping"),
    ],
)
def test_every_stage_has_words_with_and_without_figures(show: Show, look: Look, stage: Stage, heading: str) -> None:
    bare = replace(states.standby(), stage=stage)
    served = show(bare)
    visit = look(served.url)
    expect(visit.heading).to_have_text(heading)
    served.show(replace(states.live(), stage=stage))
    expect(visit.page.locator("#now")).to_be_visible()
    expect(visit.heading).to_have_text(heading)
    assert visit.complaints == []


def test_catching_up_says_how_much_is_left(show: Show, look: Look) -> None:
    visit = look(show(states.catching_up()).url)
    expect(visit.heading).to_have_text("Catching up")
    expect(visit.page.locator("#story")).to_contain_text("3,600,000 records behind the end of its input")
    expect(visit.figure("freshness")).to_have_text("–")


def test_a_replay_shows_how_far_it_has_come(show: Show, look: Look) -> None:
    visit = look(show(states.replaying()).url)
    expect(visit.heading).to_have_text("Replaying")
    expect(visit.page.locator("#story")).to_contain_text("43.0 % learned, 301,200 records a second, 12 min left")
    expect(visit.page.get_by_role("progressbar")).to_have_attribute("value", "0.43")
    expect(visit.page.locator("#version")).to_be_hidden()


def test_a_loop_that_stands_still_is_said(show: Show, look: Look) -> None:
    stage = show(states.live())
    visit = look(stage.url)
    expect(visit.page.locator(".notice")).to_have_count(0)
    stage.clock.advance(45)
    expect(visit.page.locator(".notice")).to_contain_text("The loop stands still")


def test_lost_contact_is_shown_with_the_last_known_figures_and_ends_when_the_worker_is_back(
    show: Show, look: Look
) -> None:
    stage = show(states.live())
    visit = look(stage.url)
    expect(visit.heading).to_have_text("Live")
    stage.stop()
    expect(visit.heading).to_have_text("No answer from the worker")
    expect(visit.page.locator("#contact")).to_contain_text("Lost contact")
    expect(visit.page).to_have_title("No contact · freshrank")
    expect(visit.figure("version")).to_have_text("12,482")
    stage.come_back()
    expect(visit.heading).to_have_text("Live")
    expect(visit.page.locator("#contact")).to_contain_text("as of")


@each_state
def test_nothing_is_asked_of_anybody_else_and_nothing_is_complained_about(
    show: Show, look: Look, state: Callable[[], Status]
) -> None:
    stage = show(state())
    visit = look(stage.url)
    expect(visit.page.locator("#contact")).to_contain_text("as of")
    assert {request.removeprefix(stage.url) for request in visit.requests} == {
        "", "page.css", "page.js", "icon.svg", "status.json",
    }  # fmt: skip
    assert visit.complaints == []


def test_hostile_ids_are_text(show: Show, look: Look) -> None:
    visit = look(show(states.hostile()).url)
    names = visit.page.locator("#top tbody bdi")
    expect(names).to_have_count(len(states.HOSTILE_ITEMS))
    assert names.nth(0).text_content() == states.HOSTILE_ITEMS[0]
    assert visit.page.locator("#model").text_content() == states.HOSTILE_ITEMS[0]
    assert visit.page.locator("main img, main script, main svg[onload]").count() == 0
    assert visit.page.locator("script").count() == 1
    assert "taken over" not in visit.page.title().replace(states.HOSTILE_ITEMS[0], "")
    assert visit.complaints == []


def test_what_cannot_be_seen_in_an_id_is_made_visible(show: Show, look: Look) -> None:
    names = look(show(states.hostile()).url).page.locator("#top tbody bdi").all_text_contents()
    assert names[4] == "\ufffdtxt.exe\ufffd\ufffd right to left"
    assert names[5] == "nul\ufffd bell\ufffd line\ufffdseparator"


def test_markup_that_got_in_all_the_same_could_not_run(show: Show, look: Look) -> None:
    visit = look(show(states.live()).url)
    with visit.page.expect_console_message(lambda message: "Content Security Policy" in message.text):
        visit.page.evaluate(
            "document.body.insertAdjacentHTML('beforeend', '<img src=icon.svg onload=\"document.title=1\">')"
        )
    assert visit.page.title() == "Live · winter-shop · freshrank"


@each_state
def test_a_phone_need_not_scroll_sideways(show: Show, look: Look, state: Callable[[], Status]) -> None:
    visit = look(show(state()).url, **PHONE)
    expect(visit.page.locator("#contact")).to_contain_text("as of")
    assert not visit.scrolls_sideways()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@each_state
def test_all_text_can_be_read_in_light_and_dark(
    show: Show, look: Look, state: Callable[[], Status], scheme: str
) -> None:
    visit = look(show(state()).url, scheme=scheme)
    expect(visit.page.locator("#contact")).to_contain_text("as of")
    contrasts = visit.contrasts()
    assert len(contrasts) > 8
    assert [(text, round(ratio, 2)) for text, ratio in contrasts if ratio < LEAST_CONTRAST] == []


def test_text_can_be_read_while_contact_is_lost(show: Show, look: Look) -> None:
    stage = show(states.held())
    visit = look(stage.url)
    stage.stop()
    expect(visit.heading).to_have_text("No answer from the worker")
    assert [text for text, ratio in visit.contrasts() if ratio < LEAST_CONTRAST] == []


def test_dark_mode_has_other_colours(show: Show, look: Look) -> None:
    url = show(states.live()).url
    light, dark = (
        look(url, scheme=scheme).page.evaluate(
            "['backgroundColor', 'color'].map(p => getComputedStyle(document.body)[p])"
        )
        for scheme in ("light", "dark")
    )
    assert light == ["rgb(244, 245, 243)", "rgb(23, 32, 28)"]
    assert dark == ["rgb(16, 21, 19)", "rgb(232, 238, 234)"]


def test_the_keyboard_reaches_all_that_can_be_used_and_shows_where_it_is(show: Show, look: Look) -> None:
    visit = look(show(states.live()).url)
    reached = []
    for _ in range(5):
        visit.page.keyboard.press("Tab")
        reached.append(visit.focused())
        assert visit.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    assert reached == ["Pause updates", "status.json", "metrics", "healthz", "readyz"]


def test_updates_can_be_paused_and_go_on(show: Show, look: Look) -> None:
    stage = show(states.live())
    visit = look(stage.url, stops_the_clock=True)
    with visit.page.expect_request("**/status.json"):
        visit.page.clock.run_for(1_100)
    pause = visit.page.get_by_role("button", name="Pause updates")
    pause.focus()
    visit.page.keyboard.press("Enter")
    expect(pause).to_have_attribute("aria-pressed", "true")
    expect(visit.page.locator("#contact")).to_contain_text("paused")
    stage.show(states.standby())
    n_asked = len(visit.requests)
    visit.page.clock.run_for(10_000)
    assert len(visit.requests) == n_asked
    expect(visit.heading).to_have_text("Live")
    visit.page.keyboard.press("Enter")
    expect(visit.heading).to_have_text("Standing by")


def test_there_are_landmarks_headings_and_a_language(show: Show, look: Look) -> None:
    page = look(show(states.live()).url).page
    for landmark in ("banner", "main", "contentinfo", "navigation"):
        expect(page.get_by_role(landmark)).to_have_count(1)
    expect(page.get_by_role("heading", level=1)).to_have_text("freshrank winter-shop")
    levels = page.locator("h1, h2, h3").evaluate_all("found => found.map(h => Number(h.tagName[1]))")
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.locator("section:not([aria-labelledby])").count() == 0


def test_tables_have_captions_and_headers_and_pictures_a_name(show: Show, look: Look) -> None:
    page = look(show(states.live()).url).page
    tables = page.locator("table")
    expect(tables).to_have_count(9)
    assert tables.evaluate_all("all => all.filter(t => !t.caption?.textContent.trim()).length") == 0
    assert page.locator("th:not([scope])").count() == 0
    assert page.locator("thead th").evaluate_all("all => all.filter(th => !th.textContent.trim()).length") == 0
    charts = page.get_by_role("img", name="the last")
    expect(charts).to_have_count(4)
    name = charts.first.get_attribute("aria-label") or ""
    assert name.replace("\u00a0", " ") == "Freshness, the last 10 min: from 470 ms to 1.1 s"


def test_only_what_matters_is_read_out(show: Show, look: Look) -> None:
    stage = show(states.live())
    visit = look(stage.url)
    visit.page.evaluate(
        "window.said = []; new MutationObserver(() => said.push(document.getElementById('announcement').textContent))"
        ".observe(document.getElementById('announcement'), { childList: true, characterData: true, subtree: true })"
    )
    stage.show(replace(states.live(), snapshot=states.snapshot(12_500)))
    expect(visit.figure("version")).to_have_text("12,500")
    assert visit.page.evaluate("said") == []
    stage.show(states.held())
    expect(visit.heading).to_have_text("Live, versions held")
    assert visit.page.evaluate("said") == [
        "Live. New versions are held back. Not heard: Item to item. The stream has changed"
    ]
    assert visit.page.locator("[aria-live], [role=status], [role=alert]").count() == 1


def test_nothing_moves_by_itself(show: Show, look: Look) -> None:
    visit = look(show(states.replaying()).url)
    assert visit.page.evaluate("document.getAnimations().length") == 0


def test_a_table_that_is_too_wide_can_be_scrolled_by_keyboard(show: Show, look: Look) -> None:
    far = states.lag([Partition(0, 10**15, 10**15 + 9, 9)])
    visit = look(show(replace(states.live(), lag=far)).url, width=320, height=700)
    region = visit.page.get_by_role("region", name="Partitions")
    expect(region).to_have_attribute("tabindex", "0")
    assert not visit.scrolls_sideways()


def test_the_page_is_light(show: Show) -> None:
    url = show(states.live()).url
    parts = {
        path: len(urlopen(url + path, timeout=10).read())
        for path in ("", "page.css", "page.js", "icon.svg", "status.json")
    }
    assert sum(parts.values()) < 48_000, parts
