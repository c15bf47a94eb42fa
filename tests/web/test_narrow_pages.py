"""Pages and letters on a phone: whatever long words stand on one, nothing of it lies beside the screen."""

import asyncio
import html
import os
import re
import shutil

import pytest

from domain.messages import ticket_link

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--dump-dom")
WIDTH = 360
HEBREW = "\N{HEBREW LETTER SHIN}\N{HEBREW LETTER LAMED}!"
# A window of a browser without a screen has a width of its own; a frame in it has any.
FRAME = """<!doctype html><title>?</title><iframe style="width:{width}px;height:800px;border:0" srcdoc="{page}"
onload="const page = this.contentDocument, all = page.querySelectorAll.bind(page);
document.title = 'wide ' + page.documentElement.scrollWidth
+ ', scrolled ' + [...all('*')].filter(one => one.scrollWidth > one.clientWidth && one.clientWidth)
  .map(one => one.tagName)
+ ', bare ' + [...all('button')].filter(one => getComputedStyle(one).borderTopWidth === '0px').length
+ ', of ' + all('button').length
+ ', broken ' + [...all('th')].filter(one => one.offsetHeight > 40).length
+ ', right ' + [...all('p')].filter(one => /^[א-ת]/.test(one.textContent)).map(one => {{
  const text = page.createRange(); text.selectNodeContents(one);
  return text.getBoundingClientRect().right > one.getBoundingClientRect().right - 1; }})"></iframe>"""
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason=f"needs a browser: one of {', '.join(BROWSERS)}, or CHROMIUM"
)


@pytest.fixture
def shown(tmp_path):
    """Has a browser show a page, and tells what `FRAME` sees of it: all but the first as texts."""

    async def seen(page):
        (tmp_path / "page.html").write_text(FRAME.format(width=WIDTH, page=html.escape(page)))
        browser = await asyncio.create_subprocess_exec(
            *(BROWSER, *FLAGS, f"--user-data-dir={tmp_path}/profile", (tmp_path / "page.html").as_uri()),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        async with asyncio.timeout(60):
            dumped, _ = await browser.communicate()
        title = re.search(r"<title>(.*)</title>", dumped.decode())[1]
        known = r"wide (\d+), scrolled (.*), bare (\d+), of (\d+), broken (\d+), right (.*)"
        wide, *others = re.fullmatch(known, title).groups()
        return int(wide), *others

    return seen


@needs_browser
async def test_long_words_stay_on_a_narrow_page(http, submit, house, database, desk, problem, shown):
    person = await house.person("W" * 200, email="w@example.com")
    ticket = await submit(person, problem, subject="S" * 200, body=f"{'B' * 300}\n\n    {'code ' * 50}\n\n{HEBREW}")
    await database.rows("UPDATE departments SET name = repeat('D', 100)")
    await database.rows("UPDATE categories SET name = repeat('C', 100)")
    link = ticket_link("", desk.signer, ticket["id"].removeprefix("tkt_"), person.id, person.email)
    await http.post(link, data={"body": "A"})

    wide, scrolled, bare, buttons, _, right = await shown((await http.get(link)).text)

    assert wide <= WIDTH
    assert scrolled == ""  # which some browsers do by a pointer alone, and paper does not
    assert right == "true"  # each paragraph goes in its own direction
    assert (bare, buttons) == ("0", "2")  # with forced colours a border is all that is seen of a button


@needs_browser
async def test_a_letter_is_read_on_a_phone(api, agent, ticket, work, mailbox, customer, shown):
    body = f"| Invoice | Amount |\n|---|---|\n| {'word ' * 20} | 1 |\n\n    {'code ' * 50}\n\n{'B' * 300}\n\n{HEBREW}"
    comment = "mutation ($input: AddCommentInput!) { addComment(input: $input) { __typename } }"
    await api(agent, comment, input={"ticketId": ticket.gid, "body": body})
    await work.run()
    letter = mailbox.to(customer.email)[-1].get_body(("html",)).get_content()

    wide, scrolled, _, _, broken, right = await shown(letter)

    assert "<th>Invoice</th>" in letter
    assert wide <= WIDTH
    assert (scrolled, broken, right) == ("", "0", "true")
