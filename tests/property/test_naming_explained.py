"""What people are told of a key agrees with what was done to it."""

from naming_support import Case, cases, holds_for, texts

from sinkwell.naming import explain, segment
from sinkwell.naming.explain import why_lossy


@holds_for(texts)
def test_a_reason_is_told_for_every_change_and_for_none_else(raw: str) -> None:
    for dots in (True, False):
        assert bool(why_lossy(raw, dots=dots)) == (segment(raw, dots=dots) != raw)


@holds_for(cases)
def test_every_key_can_be_explained(case: Case) -> None:
    changes = explain(case.template, case.values)
    assert all(change.why and change.given != change.used for change in changes)
    whole = {change.used for change in changes if change.variable is None}
    assert whole <= {*case.key.split("/")}
