"""What may stand in an audit log: why, and never who."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.access.entry import NotAReason, checked_reason, is_ticket


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("INC-4711", "INC-4711"),
        ("  CS0012345 ", "CS0012345"),
        ("#881", "#881"),
        ("ＩＮＣ－４７１１", "INC-4711"),
        ("晚上掉线，重启 3 / 4 / 5 次后恢复", "晚上掉线，重启 3 / 4 / 5 次后恢复"),
        ("customer says that the line drops\n every evening", "customer says that the line drops every evening"),
        ("客户说每天晚上网络都会断开连接", "客户说每天晚上网络都会断开连接"),
    ],
)
def test_a_reason_or_a_ticket_is_kept(given_text: str, kept: str) -> None:
    assert kept == checked_reason(given_text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expected the number of a ticket"),
        ("why not", "expected the number of a ticket"),
        ("x" * 201, "expected the number of a ticket"),
        ("a reason with a \x1b[31m colour", "expected the number of a ticket"),
        ("they called from 0171 234 5678", "a number of seven digits"),
        ("the router 490154203237518 drops", "a number of seven digits"),
        ("router ac:de:48:00:11:22 drops", "an address"),
        ("write to ada@example.com please", "an e-mail address"),
        ("router acde.4800.1122 drops", "an address"),
        ("客户的路由器４９０１５４２０３２３７５１８掉线", "a number of seven digits"),
        ("the router ٤٩٠١٥٤٢٠٣٢٣٧٥١٨ drops", "a number of seven digits"),
        ("the router 490_154_203 drops", "a number of seven digits"),
        ("write to ada＠example.com please", "an e-mail address"),
        ("the one with ＡＢ１Ｃ２Ｄ３Ｅ４Ｆ５ on it", "a serial number"),
        ("客户的路由器AB1C2D3E4F5经常掉线", "a serial number"),
        ("the one with ZTE1024300012 on it", "a number of seven digits|a serial number"),
        ("the one with AB1C2D3E4F5 on it", "a serial number"),
    ],
)
def test_what_says_who_rather_than_why_is_refused(text: str, why: str) -> None:
    """And the answer does not repeat it."""
    with pytest.raises(NotAReason, match=why) as refused:
        checked_reason(text)

    assert text not in str(refused.value) or not text


@given(st.text(alphabet="0123456789abcdefABCDEF", min_size=4, max_size=20), st.sampled_from(["{}", "x{}", "INC-{}"]))
def test_what_the_router_is_looked_up_by_is_in_no_reason(identifier: str, form: str) -> None:
    """Neither as a ticket nor with separators between, nor in other letters."""
    spelt = form.format("-".join(identifier.swapcase()))

    with pytest.raises(NotAReason):
        checked_reason(f"because of {spelt} again", (identifier,))
    with pytest.raises(NotAReason):
        checked_reason(form.format(identifier), (identifier,))


def test_it_is_in_none_in_wide_letters_either() -> None:
    with pytest.raises(NotAReason, match="what the router is looked up by"):
        checked_reason("because of ａｂ－１２ again", ("AB12",))


def test_a_sentence_is_no_ticket() -> None:
    assert (True, False, False) == (is_ticket("INC 12"), is_ticket("INC"), is_ticket("the line drops 12 times"))
