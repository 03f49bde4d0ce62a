"""Which sinks a file goes to, and under which key."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sinkwell.contract.settings import Size
from sinkwell.delivery.condition import Condition, RoutedFile
from sinkwell.delivery.plan import Planner, Route
from sinkwell.naming import KeyValues, Template

VALUES = KeyValues(
    id="token",
    file_id="f1",
    source="shotbot",
    received_at=1_700_000_000.0,
    ext="png",
    sha256="ab" * 32,
    url="https://Shop.Example.com/a?b",
    labels={"team": "web"},
)
FILE = RoutedFile(media_type="image/png", size=1000, status="finished", values=VALUES)
SINKS = ("archive", "mirror", "vault")


def key(text: str) -> Template:
    return Template.parse(f"{text}/{{id}}.{{ext}}")


def of_source(source: str, file: RoutedFile = FILE) -> RoutedFile:
    return replace(file, values=replace(file.values, source=source))


def plan(
    *routes: Route,
    source: str = "shotbot",
    sink_key: Template | None = None,
    file: RoutedFile = FILE,
) -> list[tuple[str, str]]:
    keys = dict.fromkeys(SINKS, sink_key)
    planner = Planner(routes, keys, {"shotbot": key("type"), "other": key("type")})
    return [(each.sink, each.key) for each in planner.plan(of_source(source, file))]


def test_a_file_goes_to_every_sink_of_its_routes() -> None:
    routes = Route(("shotbot",), ("archive", "mirror")), Route(("other",), ("vault",))

    assert [sink for sink, _ in plan(*routes)] == ["archive", "mirror"]
    assert [sink for sink, _ in plan(*routes, source="other")] == ["vault"]


def test_the_routes_key_comes_first_then_the_sinks_then_the_source_types() -> None:
    with_key, without = Route(("*",), ("archive",), key("route")), Route(("*",), ("archive",))

    assert plan(with_key, sink_key=key("sink")) == [("archive", "route/token.png")]
    assert plan(without, sink_key=key("sink")) == [("archive", "sink/token.png")]
    assert plan(without) == [("archive", "type/token.png")]


def test_a_sink_that_two_routes_name_gets_the_file_once_by_the_first() -> None:
    routes = Route(("*",), ("archive",), key("first")), Route(("*",), SINKS, key("second"))

    assert plan(*routes) == [
        ("archive", "first/token.png"),
        ("mirror", "second/token.png"),
        ("vault", "second/token.png"),
    ]


def test_a_source_pattern_is_matched_with_its_case_and_whole() -> None:
    assert plan(Route(("shot*",), ("archive",)))
    assert not plan(Route(("Shot*",), ("archive",)))
    assert not plan(Route(("shot",), ("archive",)))


def test_a_file_that_no_route_takes_or_whose_source_is_gone_goes_nowhere() -> None:
    assert plan(Route(("other",), ("archive",))) == []
    assert plan(Route(("*",), ("archive",)), source="removed-from-the-settings") == []


@given(
    st.lists(
        st.builds(
            Route,
            st.tuples(st.sampled_from(("*", "shotbot", "other", "s*"))),
            st.lists(st.sampled_from(SINKS), max_size=4).map(tuple),
        ),
        max_size=6,
    )
)
def test_no_sink_gets_a_file_twice_and_none_that_a_route_names_is_left_out(
    routes: list[Route],
) -> None:
    planned = [sink for sink, _ in plan(*routes)]

    named = {sink for route in routes if route.names("shotbot") for sink in route.sinks}
    assert sorted(planned) == sorted(named)


def test_every_delivery_has_an_id_of_its_own() -> None:
    planner = Planner([Route(("*",), SINKS)], dict.fromkeys(SINKS), {"shotbot": key("a")})

    ids = [delivery.id for _ in range(100) for delivery in planner.plan(FILE)]

    assert len(set(ids)) == 300


HOLDS = [
    Condition(media_type=("image/*", "application/pdf")),
    Condition(media_type=("image/png",)),
    Condition(domain=("shop.example.com",)),
    Condition(domain=("*.example.com",)),
    Condition(status=("finished", "done")),
    Condition(labels={"team": ("app", "w*")}),
    Condition(min_size=Size(1000), max_size=Size(1000)),
    Condition(media_type=("image/*",), labels={"team": ("web",)}, min_size=Size(1)),
]
DOES_NOT = [
    (Condition(media_type=("application/pdf",)), "its media type"),
    (Condition(domain=("example.com",)), "its domain"),
    (Condition(domain=("*.shop.example.com",)), "its domain"),
    (Condition(domain=("*.ample.com",)), "its domain"),
    (Condition(status=("OK",)), "its status"),
    (Condition(labels={"team": ("Web",)}), 'its label "team" "web", not Web'),
    (Condition(labels={"tenant": ("*",)}), 'its label "tenant" is not known'),
    (Condition(min_size=Size(1001)), "are fewer than 1001"),
    (Condition(max_size=Size(999)), "are more than 999"),
    (Condition(media_type=("image/*",), labels={"team": ("app",)}), "its label"),
]


@pytest.mark.parametrize("when", HOLDS, ids=repr)
def test_a_route_takes_a_file_of_which_all_of_when_holds(when: Condition) -> None:
    assert when.refusal(FILE) is None
    assert plan(Route(("*",), ("archive",), when=when))


@pytest.mark.parametrize(("when", "why"), DOES_NOT, ids=repr)
def test_a_route_leaves_a_file_of_which_something_does_not_hold_and_says_what(
    when: Condition, why: str
) -> None:
    assert why in (when.refusal(FILE) or "")
    assert plan(Route(("*",), ("archive",), when=when)) == []


def test_an_international_domain_is_one_however_it_is_spelt() -> None:
    file = replace(FILE, values=replace(VALUES, url="https://www.m\u00fcnchen.example/"))

    for spelling in (
        "*.m\u00fcnchen.example",
        "*.xn--mnchen-3ya.example",
        "*.M\u00dcNCHEN.example",
    ):
        assert Condition(domain=(spelling,)).refusal(file) is None


def test_a_file_without_an_address_is_of_no_domain() -> None:
    file = replace(FILE, values=replace(VALUES, url=None))

    assert "is not known" in (Condition(domain=("*.example.com",)).refusal(file) or "")


def test_the_default_route_takes_what_no_other_takes_wherever_it_stands() -> None:
    default = Route(("*",), ("vault",), default=True)
    for_pdf = Route(("*",), ("archive",), when=Condition(media_type=("application/pdf",)))
    pdf = replace(FILE, media_type="application/pdf")

    for routes in ((default, for_pdf), (for_pdf, default)):
        assert [sink for sink, _ in plan(*routes)] == ["vault"]
        assert [sink for sink, _ in plan(*routes, file=pdf)] == ["archive"]


def test_each_route_says_what_it_makes_of_a_file() -> None:
    routes = (
        Route(("other",), SINKS),
        Route(("*",), ("archive",), when=Condition(media_type=("application/pdf",))),
        Route(("*",), ("mirror",)),
        Route(("*",), ("mirror", "archive")),
        Route(("*",), ("vault",), default=True),
    )
    planner = Planner(routes, dict.fromkeys(SINKS), {"shotbot": key("a")})

    verdicts = planner.explain(FILE)

    assert [verdict.refusal is None for verdict in verdicts] == [False, False, True, True, False]
    assert [[way.sink for way in verdict.ways] for verdict in verdicts] == [
        [],
        [],
        ["mirror"],
        ["archive"],
        [],
    ]
