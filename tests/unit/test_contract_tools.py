"""What the contract hands to plugins beside its types."""

import asyncio
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from local_support import threads

from sinkwell.contract import Background, RejectedError, retry_after

WAITS = st.text() | st.floats().map(str) | st.datetimes().map("{:%a, %d %b %Y %H:%M:%S} GMT".format)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("3", 3),
        ("0", 0),
        (" 7 ", 7),
        ("9" * 400, 86400),
        ("-1", None),
        ("1e9", None),
        ("²", None),
        ("nan", None),
        ("soon", None),
        ("", None),
        ("Mon, 01 Jan 99999 00:00:00 GMT", None),
        ("Mon, 99 Jan 999999999999 00:00:00 GMT", None),
    ],
)
def test_the_time_to_wait_is_read_as_seconds(value: str, seconds: float | None) -> None:
    assert retry_after({"Retry-After": value}, now=0) == seconds


def test_the_time_to_wait_is_read_as_a_date() -> None:
    headers = {"Retry-After": formatdate(1_000_060, usegmt=True)}

    assert retry_after(headers, now=1_000_000) == 60
    assert retry_after(headers, now=2_000_000) == 0
    assert retry_after({}, now=0) is None


def test_a_date_is_told_by_the_servers_own_clock() -> None:
    headers = {
        "Retry-After": formatdate(1_000_060, usegmt=True),
        "Date": formatdate(1_000_000, usegmt=True),
    }

    assert retry_after(headers, now=5_000_000) == 60


@given(WAITS, WAITS, st.floats(0, 4e9))
def test_a_time_to_wait_is_at_most_a_day(wait: str, date: str, now: float) -> None:
    found = retry_after({"Retry-After": wait, "Date": date}, now)

    assert found is None or 0 <= found <= 86400


async def test_a_hostile_key_stands_in_a_message_on_one_line_of_sane_length() -> None:
    async with threads() as context:
        text = context.label("putting", "a\r\nb\x1b[31m" + "x" * 1_000_000)

    assert text.startswith("sink 'mirror': putting 'a\\r\\nb")
    assert text.isprintable()
    assert len(text) < 300


async def test_what_is_tidied_up_is_told_when_it_fails_and_given_up_when_it_hangs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    background = Background()

    async def refused() -> None:
        raise RejectedError("the upload is still there")

    hanging = background.start(asyncio.sleep(3600))
    await background.start(refused())
    await background.ended()

    assert "the upload is still there" in caplog.text
    assert hanging.cancelled()
