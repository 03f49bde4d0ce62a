import asyncio
import json
from pathlib import Path

import pytest
from gcs_signing import ACCOUNT, Account
from gcs_stub import WORKLOAD
from gcs_support import SMALL_FILE as SMALL
from gcs_support import Place, Stub

from sinkwell.contract import (
    IfPresent,
    RejectedError,
    TransientError,
    UnusableError,
)

KEEP, REPLACE, REFUSE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE, IfPresent.REFUSE


async def test_a_revoked_token_pauses_the_sink_and_the_next_try_gets_another(
    gcs_place: Place,
) -> None:
    async with gcs_place.opened() as sink:
        await sink.put(gcs_place.blob(SMALL), "before", if_present=KEEP)
        gcs_place.stub.tell("revoke", {})
        with pytest.raises(UnusableError, match="Invalid Credentials"):
            await sink.put(gcs_place.blob(SMALL), "after", if_present=KEEP)
        await sink.put(gcs_place.blob(SMALL), "after", if_present=KEEP)


async def test_one_token_serves_many_puts(gcs_place: Place) -> None:
    async with gcs_place.opened() as sink:
        puts = [sink.put(gcs_place.blob(100, str(n)), str(n), if_present=KEEP) for n in range(16)]
        await asyncio.gather(*puts)
    assert len({each["headers"]["authorization"] for each in gcs_place.asked()}) == 1


async def test_a_token_endpoint_that_is_away_is_tried_again(
    gcs_place: Place, gcs_stub: Stub
) -> None:
    credentials = gcs_stub.credentials().replace(gcs_stub.endpoint, "http://127.0.0.1:1")
    async with gcs_place.opened(credentials=credentials) as sink:
        with pytest.raises(TransientError, match="getting an access token"):
            await sink.put(gcs_place.blob(SMALL), "key", if_present=KEEP)


@pytest.mark.parametrize(
    "credentials",
    ["hunter2", "[]", "{}", '{"type": "magic"}', '{"type": "service_account", "x": "hunter2"}'],
)
async def test_credentials_that_are_no_good_are_told_and_not_shown(
    gcs_place: Place, credentials: str
) -> None:
    with pytest.raises(UnusableError, match="JSON file") as caught:
        async with gcs_place.opened(credentials=credentials):
            pass
    error: BaseException | None = caught.value
    while error:
        assert "hunter2" not in repr(error)
        error = error.__cause__


async def test_a_ca_bundle_without_certificates_is_told(gcs_place: Place, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(UnusableError, match="ca_bundle"):
        async with gcs_place.opened(ca_bundle=str(tmp_path / "ca.pem")):
            pass


async def test_anonymous_sinks_sign_no_links(gcs_place: Place) -> None:
    async with gcs_place.opened(anonymous=True, credentials=None) as sink:
        with pytest.raises(UnusableError, match="cannot sign"):
            await sink.presign("key", expires_in=60)  # type: ignore[attr-defined] # it can by type


async def test_application_default_credentials_are_found(
    gcs_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key.json").write_text(gcs_place.stub.credentials())
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    async with gcs_place.opened(credentials=None) as sink:
        await sink.put(gcs_place.blob(SMALL), "key", if_present=KEEP)
        findings = await sink.check()
    assert findings[0].what == f"credentials: {ACCOUNT}"


async def test_no_application_default_credentials_are_told_with_what_to_do(
    gcs_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    with pytest.raises(UnusableError, match='Set credentials = "file:'):
        async with gcs_place.opened(credentials=None):
            pass


@pytest.mark.parametrize("by_default", [False, True])
async def test_a_workload_is_known_by_the_token_of_its_cluster(
    gcs_place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, by_default: bool
) -> None:
    (tmp_path / "token").write_text(WORKLOAD)
    configuration = {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{gcs_place.stub.endpoint}/token",
        "credential_source": {"file": str(tmp_path / "token")},
    }
    (tmp_path / "workload.json").write_text(json.dumps(configuration))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "workload.json"))
    given = None if by_default else json.dumps(configuration)
    async with gcs_place.opened(credentials=given) as sink:
        await sink.put(gcs_place.blob(SMALL), "key", if_present=KEEP)
        with pytest.raises(UnusableError, match="cannot sign"):
            await sink.presign("key", expires_in=60)  # type: ignore[attr-defined] # it can by type
    assert gcs_place.objects() == ["key"]


async def test_a_key_that_google_does_not_know_any_more_pauses_the_sink(gcs_place: Place) -> None:
    endpoint = gcs_place.stub.endpoint
    async with gcs_place.opened(credentials=Account().file(f"{endpoint}/token")) as sink:
        with pytest.raises(UnusableError, match="Look at the sink's credentials"):
            await sink.put(gcs_place.blob(SMALL), "key", if_present=KEEP)


@pytest.mark.parametrize("expires_in", [0.5, 0, -1, 7 * 24 * 3600 + 1])
async def test_a_link_lasts_from_a_second_to_seven_days(
    gcs_place: Place, expires_in: float
) -> None:
    async with gcs_place.opened() as sink:
        with pytest.raises(RejectedError, match="1 second to 7 days"):
            await sink.presign("key", expires_in=expires_in)  # type: ignore[attr-defined] # as above
