"""Which sinks a file goes to, and under which key."""

from hypothesis import given
from hypothesis import strategies as st

from sinkwell.delivery.plan import Planner, Route
from sinkwell.naming import KeyValues, Template

VALUES = KeyValues(
    id="token",
    file_id="f1",
    source="shotbot",
    received_at=1_700_000_000.0,
    ext="png",
    sha256="ab" * 32,
)
SINKS = ("archive", "mirror", "vault")


def key(text: str) -> Template:
    return Template.parse(f"{text}/{{id}}.{{ext}}")


def plan(
    *routes: Route, source: str = "shotbot", sink_key: Template | None = None
) -> list[tuple[str, str]]:
    keys = dict.fromkeys(SINKS, sink_key)
    planner = Planner(routes, keys, {"shotbot": key("type"), "other": key("type")})
    return [(each.sink, each.key) for each in planner.plan(source, VALUES)]


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

    named = {sink for route in routes if route.takes("shotbot") for sink in route.sinks}
    assert sorted(planned) == sorted(named)


def test_every_delivery_has_an_id_of_its_own() -> None:
    planner = Planner([Route(("*",), SINKS)], dict.fromkeys(SINKS), {"shotbot": key("a")})

    ids = [delivery.id for _ in range(100) for delivery in planner.plan("shotbot", VALUES)]

    assert len(set(ids)) == 300
