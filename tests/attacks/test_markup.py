"""Scripts that people write wherever something can be written: what shows them runs nothing."""

import datetime as dt
import json
import re
from html.parser import HTMLParser

import pytest
from httpx import URL

from domain import templates, words

FLAT = """<script>alert(1)</script><img src=x onerror=alert(1)><svg/onload=alert(1)>"'--><iframe srcdoc=x>"""
WORD = 'V"><b onmouseover=alert(1)>'  # where there is room for one word alone
VECTORS = {
    "a script": "<script>alert(1)</script>",
    "a script within a script": "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "a picture": "<img src=x onerror=alert(1)>",
    "a picture of Markdown": "![x](https://evil.example/pixel.gif)",
    "a drawing": "<svg><animate onbegin=alert(1) attributeName=x dur=1s>",
    "mathematics": "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=x&gt;'>",
    "a link": "[x](javascript:alert(1))",
    "a link with a capital": "[x](JaVaScRiPt:alert(1))",
    "a link with a break": "[x](java\nscript:alert(1))",
    "a link with an entity": "[x](java&#115;cript:alert(1))",
    "a link with a tab": "[x](java&Tab;script:alert(1))",
    "a link with a control": "[x](\x01javascript:alert(1))",
    "a link to data": "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "a link to a script": "[x](vbscript:msgbox(1))",
    "a link to a file": "[x](file:///etc/passwd)",
    "an automatic link": "<javascript:alert(1)>",
    "a link by reference": "[x][r]\n\n[r]: javascript:alert(1)",
    "a title that ends": """[x](https://a.example "y' onmouseover='alert(1)")""",
    "a title with quotes": '[x](https://a.example (y" onmouseover="alert(1)))',
    "an address with quotes": '[x](https://a.example/"onmouseover="alert(1))',
    "an address that is found": 'https://a.example/"onmouseover="alert(1)',
    "a language of code": '```x"onmouseover="alert(1)\ncode\n```',
    "a frame": '<iframe srcdoc="<script>alert(1)</script>">',
    "a form": '<form action="https://evil.example"><input name=password autofocus onfocus=alert(1)>',
    "a style": "<style>*{background:url(https://evil.example)}</style>",
    "a base": '<base href="https://evil.example/">',
    "a refresh": '<meta http-equiv=refresh content="0;url=https://evil.example">',
    "an object": '<object data="https://evil.example/x.swf"></object><embed src=x>',
    "a comment that ends": "<!--><script>alert(1)</script>-->",
    "character data": "<![CDATA[><script>alert(1)</script>]]>",
    "an instruction": "<?xml ><script>alert(1)</script>?>",
    "an entity": "&lt;script&gt;alert(1)&lt;/script&gt;",
    "a table": "| a |\n|---|\n| <img src=x onerror=alert(1)> |",
    "half a tag": "<img src=x onerror=alert(1)//",
    "a name of the page's": "<a id=location href=x><form name=body>",
}  # fmt: skip
TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre",
    "s", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"href", "title", "rel", "start", "class", "align"}


class Reader(HTMLParser):
    """What a browser would find in HTML: its tags, and whatever could run or load something."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.armed = [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag in {"script", "iframe", "object", "embed", "svg", "math", "base", "img", "link", "b"}:
            self.armed.append(tag)
        for name, value in attrs:
            address = re.sub(r"[\x00-\x20]", "", value or "").lower()
            if name.startswith("on") or (name in {"href", "src", "action", "formaction"} and not _safe(address)):
                self.armed.append(f"{tag} {name}={value}")


def _safe(address):
    scheme = re.match(r"[a-z][a-z0-9+.-]*:", address)  # else it is within the page's own site
    return scheme is None or scheme[0] in {"http:", "https:", "mailto:", "tel:"}


@pytest.mark.parametrize("markdown", VECTORS.values(), ids=VECTORS.keys())
def test_no_markdown_becomes_what_runs(markdown):
    for written in (markdown, f"> {markdown}", f"- {markdown}", f"**{markdown}**", f"| x |\n|---|\n| {markdown} |"):
        html = words.html(written)
        found = Reader(html)
        assert found.armed == [], html
        for tag, attributes in found.tags:
            assert tag in TAGS, html
            assert set(attributes) <= ATTRIBUTES, html
            if tag == "a":
                assert attributes["rel"] == "nofollow noopener noreferrer"
        assert "<" not in re.sub(r"\(https?:[^)]*\)", "", templates.plain(f"[a]({'x'})")), markdown


def test_what_reads_html_here_finds_what_runs():
    for html in (FLAT, '<a href="java\nscript:x">', WORD, '<p onclick="x">'):
        assert Reader(html).armed


@pytest.fixture
async def written(api, house, database, work, mailbox, support, problem, customer, agent, admin, submit):
    """Scripts in every place where people write something that others read."""
    await database.rows("UPDATE people SET name = :name", name=FLAT[:200])
    await database.rows("UPDATE departments SET name = :name", name=FLAT[:100])
    await database.rows("UPDATE categories SET name = :name", name=FLAT[:100])
    ticket = await submit(customer, problem, subject=FLAT[:200], body="\n\n".join(VECTORS.values()))
    service = await house.service(FLAT[:100])

    async def done(viewer, name, /, **given):
        kind = name[0].upper() + name[1:]
        text = (
            f"mutation ($input: {kind}Input!) {{ {name}(input: $input) {{ __typename ... on Refusal {{ message }} }} }}"
        )
        answer = (await api(viewer, text, input=given))[name]
        assert answer["__typename"] == f"{kind}Success", answer

    await done(agent, "addComment", ticketId=ticket["id"], body="\n\n".join(VECTORS.values()))
    await done(agent, "updateTicket", ticketId=ticket["id"], addTags=[WORD])
    await done(agent, "resolveTicket", ticketId=ticket["id"], summary="\n\n".join(VECTORS.values()))
    await done(admin, "saveArticleCategory", name=FLAT[:100], description=FLAT, ticketCategoryIds=[problem.gid])
    (shelf,) = await database.rows("SELECT 'arc_' || id AS id FROM article_categories")
    body = "\n\n".join(VECTORS.values())
    await done(admin, "createArticle", title=FLAT[:200], summary=FLAT, body=body, categoryId=shelf["id"], tags=[WORD])
    (article,) = await database.rows("SELECT 'art_' || id AS id FROM articles")
    await done(admin, "publishArticle", articleId=article["id"])
    begins = dt.datetime.now(dt.UTC) + dt.timedelta(days=1)
    await done(
        admin, "scheduleMaintenance", title=FLAT[:200], message=body, severity="MAJOR", serviceIds=[service.gid],
        startsAt=begins.isoformat(), endsAt=(begins + dt.timedelta(hours=1)).isoformat(), audience="EVERYONE",
    )  # fmt: skip
    await work.run()
    return ticket


READ = """query ($id: ID!) {
  ticket(id: $id) { subject bodyHtml comments { nodes { bodyHtml } } resolution { summaryHtml } }
  articles(filter: {text: "alert"}) { nodes { bodyHtml } edges { highlightHtml } }
  articleSuggestions(text: "alert script picture") { excerptHtml }
  tickets(filter: {text: "alert"}) { edges { highlightHtml } }
  maintenanceNotices { nodes { messageHtml } } }"""


def html_in(value):
    """All values of fields that say that they are HTML."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name.endswith("Html") and each is not None:
                yield each
            else:
                yield from html_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from html_in(each)


async def test_what_the_api_calls_html_runs_nothing(api, written, customer, agent):
    for viewer in (customer, agent):
        found = list(html_in(await api(viewer, READ, id=written["id"])))
        assert len(found) >= 5
        for html in found:
            assert {tag for tag, _ in Reader(html).tags} <= TAGS | {"mark"}, html
            assert Reader(html).armed == [], html


async def test_no_letter_and_no_page_runs_what_people_wrote(http, written, mailbox, customer, agent):
    letters = [*mailbox.to(customer.email), *mailbox.to(agent.email)]
    assert len(letters) >= 4
    pages = set()
    for letter in letters:
        html = letter.get_body(("html",)).get_content()
        assert Reader(html).armed == [], html
        assert "alert(1)" in html
        pages |= set(re.findall(r"http://desk\.test(/(?:t|unsubscribe)/[^\s\"<]+)", html))
    assert len(pages) >= 2
    for path in pages:
        answer = await http.get(str(URL(path)))
        assert answer.status_code == 200, path
        assert Reader(answer.text).armed == [], answer.text
        assert "script-src" not in answer.headers["content-security-policy"]


async def test_json_cannot_be_taken_for_a_page(api, written, customer):
    """Whoever opens an answer itself in a browser sees text: its type is no page's."""
    answer = await api.post(customer, READ, id=written["id"])
    assert answer.headers["content-type"].startswith("application/")
    assert json.loads(answer.content)
