from gcs_support import Place, answer

from sinkwell.contract import (
    DeletableSink,
    IfPresent,
)

KEEP, REPLACE, REFUSE = IfPresent.KEEP_IF_SAME, IfPresent.REPLACE, IfPresent.REFUSE


async def test_a_check_of_an_account_that_may_only_create_is_well_and_says_so(
    gcs_place: Place,
) -> None:
    create_only = answer(403, "forbidden", "no access") | {"method": "GET|DELETE"}
    async with gcs_place.opened() as sink:
        with gcs_place.stub.failing(create_only):
            for _ in range(3):
                findings = await sink.check()
                assert [each.level for each in findings].count("warning") == 2
                assert "failed" not in {each.level for each in findings}
        assert len(gcs_place.objects()) == 1, "each check left another object"
        assert isinstance(sink, DeletableSink)
        await sink.check()
    assert gcs_place.objects() == []


async def test_a_check_finds_that_conditions_are_ignored(gcs_place: Place) -> None:
    async with gcs_place.opened() as sink:
        with gcs_place.stub.failing({"kind": "unconditional", "method": "POST"}):
            findings = await sink.check()
    assert any(
        each.level == "warning" and "ifGenerationMatch=0 is ignored" in each.what
        for each in findings
    )
    assert gcs_place.objects() == []


async def test_a_check_of_a_sink_that_replaces_needs_the_right_to_replace(gcs_place: Place) -> None:
    unpermitted = answer(403, "forbidden", "no storage.objects.delete access")
    last = unpermitted | {"method": "POST", "path": "prettyPrint=false$"}
    async with gcs_place.opened(if_present="replace") as sink:
        assert "failed" not in {each.level for each in await sink.check()}
        with gcs_place.stub.failing(last):
            findings = await sink.check()
    assert findings[-1].level == "failed"
    assert "'replace'" in findings[-1].what
    assert gcs_place.objects() == []


async def test_a_check_whose_put_was_refused_has_nothing_to_remove(gcs_place: Place) -> None:
    async with gcs_place.opened() as sink:
        gcs_place.asked()
        with gcs_place.stub.failing(answer(403, "forbidden", "no storage.objects.create access")):
            findings = await sink.check()
    assert findings[-1].level == "failed"
    assert "Storage Object Creator" in findings[-1].what
    assert [each["method"] for each in gcs_place.asked()] == ["POST"]


async def test_a_check_whose_answer_was_lost_removes_what_it_may_have_put(gcs_place: Place) -> None:
    async with gcs_place.opened() as sink:
        with gcs_place.stub.failing({"kind": "lost", "method": "POST"}):
            assert (await sink.check())[-1].level == "failed"
    assert gcs_place.objects() == []
