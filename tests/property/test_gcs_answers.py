"""Whatever an endpoint answers becomes one of the three errors, fit to be shown."""

from hypothesis import given
from hypothesis import strategies as st

from sinkwell.contract import RejectedError, TransientError, UnusableError
from sinkwell_gcs.errors import Answer, refused

WORDS = st.sampled_from(
    ['{"error": ', '{"message": ', '{"errors": [', '"x"', "}", "]", "\xff", "1"]
)
BODIES = st.binary() | st.lists(WORDS).map(lambda each: "".join(each).encode("latin-1"))
WAITS = st.text() | st.floats().map(str) | st.datetimes().map("{:%a, %d %b %Y %H:%M:%S} GMT".format)


@given(st.integers(100, 999), BODIES, WAITS)
def test_any_answer_becomes_an_error_of_one_line(status: int, body: bytes, wait: str) -> None:
    error = refused(Answer(status, {"Retry-After": wait}, body), "sink 'x': putting 'y'")

    assert isinstance(error, TransientError | RejectedError | UnusableError)
    assert str(error).isprintable()
    assert len(str(error)) < 1000
