"""Whatever a store, or something before it, answers is read without harm."""

from hypothesis import given
from hypothesis import strategies as st

from sinkwell.contract import SinkError
from sinkwell_s3.answers import Answer, parse
from sinkwell_s3.errors import refused

ERROR = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Error xmlns="http://s3.example.com/doc/">'
    b"<Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


@given(cut=st.integers(0, len(ERROR)), after=st.binary(max_size=20))
def test_an_answer_may_be_cut_anywhere(cut: int, after: bytes) -> None:
    answer = Answer(503, {}, ERROR[:cut] + after)

    assert "SlowDown".startswith(answer.code) or answer.code == ""
    assert refused(answer, "putting").args[0].isprintable()


@given(body=st.binary(max_size=300), status=st.integers(100, 999))
def test_any_bytes_become_an_error_that_can_be_shown(body: bytes, status: int) -> None:
    error = refused(Answer(status, {}, body), "putting")

    assert isinstance(error, SinkError)
    assert str(error).isprintable()
    assert len(str(error)) < 1000


@given(text=st.text(max_size=200))
def test_a_code_is_a_word_or_nothing(text: str) -> None:
    answer = Answer(400, {}, said={"Code": text, "Message": text})

    assert answer.code == "" or (answer.code == text and text.isascii())


def test_a_document_that_declares_entities_is_not_read() -> None:
    bomb = (
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><Error><Code>&b;</Code></Error>'
    )

    assert parse(bomb).root is None
    assert parse(bomb.decode().encode("utf-16")).root is None


def test_fields_are_found_whatever_the_namespace() -> None:
    body = b"<L xmlns='urn:x'><Upload><Key>a</Key><UploadId>1</UploadId></Upload><Upload/></L>"

    assert parse(body).each("Upload") == [{"Key": "a", "UploadId": "1"}, {}]
    assert parse(body).complete
    assert not parse(body[:-3]).complete
