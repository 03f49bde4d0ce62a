"""Requests are signed as botocore signs them."""

import string
from datetime import UTC, datetime
from typing import Any
from unittest import mock

from botocore import auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from sinkwell_s3.signature import Keys, path_of, query_of, sha256_of, signed

NOW = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
PAYLOAD = sha256_of(b"payload")
PLAIN = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=30)
NAMES = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=20)


class Theirs(auth.S3SigV4Auth):  # type: ignore[misc, unused-ignore] # botocore has no types
    def payload(self, request: Any) -> str:
        return PAYLOAD


@given(
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD"]),
    name=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=60),
    query=st.dictionaries(NAMES, PLAIN, max_size=4),
    headers=st.dictionaries(NAMES.map(lambda name: f"x-amz-meta-{name}".lower()), PLAIN),
    token=st.none() | st.just("session/token+="),
)
def test_requests_are_signed_as_botocore_signs_them(
    method: str, name: str, query: dict[str, str], headers: dict[str, str], token: str | None
) -> None:
    path, text = f"/bucket/{path_of(name)}", query_of(query)
    request = AWSRequest(
        method=method,
        url=f"https://s3.example.com:9000{path}" + (f"?{text}" if text else ""),
        headers=headers,
    )
    with mock.patch.object(auth, "get_current_datetime", return_value=NOW.replace(tzinfo=None)):
        Theirs(Credentials("AKID", "secret", token), "s3", "eu-west-1").add_auth(request)

    ours = signed(
        method,
        "s3.example.com:9000",
        path,
        text,
        headers,
        payload=PAYLOAD,
        keys=Keys("AKID", "secret", token),
        region="eu-west-1",
        now=NOW,
    )

    assert ours["Authorization"] == request.headers["Authorization"]


def test_keys_are_never_shown() -> None:
    assert repr(Keys("AKID", "secret", "token")) == "Keys()"
