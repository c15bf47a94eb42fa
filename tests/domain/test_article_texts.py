"""What the text of an article becomes."""

import pytest

from domain.articles import texts


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("Reset a password!", "reset-a-password"),
        ("Ünïcödé ßtraße in Łódź", "unicode-sstrasse-in-lodz"),
        ("Tiếng Việt", "tieng-viet"),
        ("\u0130stanbul", "istanbul"),
        ("Ερώτηση", "ερωτηση"),
        ("ガイド", "ガイド"),
        ("Мой ёж", "мой-ёж"),
        ("हिन्दी में", "हिन्दी-में"),
        ("தமிழ்", "தமிழ்"),
        ("ภาษาที่นี่", "ภาษาที่นี่"),
        ("한국어 안내", "한국어-안내"),
        ("\u2764\ufe0f 1\ufe0f\u20e3 first", "1-first"),
        ("soft\u00adly, _now_", "softly-now"),
        ("\u0301", "article"),
        ("x" * 79 + " y", "x" * 79),
    ],
)
def test_a_title_in_an_address(title, slug):
    assert texts.slug(title) == slug


def test_a_heading_is_led_to_by_its_words():
    assert texts.rendered("# हिन्दी में") == '<h1 id="हिन्दी-में">हिन्दी में</h1>'
