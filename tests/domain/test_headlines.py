"""What passages of texts are marked with."""

from domain import headlines
from models.full_text import SIGNS


def test_each_sign_has_a_stand_in_of_its_own():
    assert len(set(SIGNS)) == len(SIGNS) == len(headlines._STAND_INS)
