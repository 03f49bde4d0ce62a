"""Discovery, shown with real distributions: a module and its dist-info on ``sys.path``."""

import subprocess
import sys
import textwrap
from collections.abc import Iterator
from importlib import metadata
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path
from types import SimpleNamespace

import pytest

from sinkwell.contract import SinkSettings, SinkType, hookimpl
from sinkwell.plugins import Registry, discover

GOOD = """
from sinkwell.contract import *

class Settings(SinkSettings, frozen=True, kw_only=True):
    root: str
    secret: Secret | None = None

async def open(settings, context):
    raise UnusableError("not in this test")

@hookimpl
def sinkwell_sinks():
    return [SinkType(name="NAME", summary="a good sink", settings=Settings, open=open)]
"""


def good(name: str) -> str:
    return GOOD.replace("NAME", name)


class Shop:
    """Makes distributions and puts them where Python finds them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.modules: list[str] = []

    def sell(self, name: str, version: str, code: str, *, entry_points: str | None = None) -> None:
        module = name.replace("-", "_")
        (self.root / f"{module}.py").write_text(textwrap.dedent(code))
        info = self.root / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        text = entry_points or f"[sinkwell]\n{name} = {module}\n"
        (info / "entry_points.txt").write_text(text)
        self.modules.append(module)

    def discover(self) -> Registry:
        """Discover the plugins of this shop alone, whatever else is installed."""
        infos = sorted(self.root.glob("*.dist-info"))
        return discover([each for info in infos for each in Distribution.at(info).entry_points])


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.syspath_prepend(tmp_path)
    made = Shop(tmp_path)
    yield made
    for module in made.modules:
        sys.modules.pop(module, None)


def the_problem(registry: Registry) -> str:
    (problem,) = registry.problems
    return str(problem)


def test_an_installed_plugin_is_found_with_its_distribution_and_version(shop: Shop) -> None:
    shop.sell("well-made", "1.4.2", good("well"))
    registered = discover().sinks["well"]
    assert registered.type.summary == "a good sink"
    assert (registered.distribution, registered.version) == ("well-made", "1.4.2")
    assert registered.plugin == "well-made"


def test_built_ins_come_through_the_same_hooks_under_the_name_of_the_core() -> None:
    registry = discover([], {"disk": a_plugin_for("disk")})
    registered = registry.sinks["disk"]
    assert (registered.distribution, registered.version) == (
        "sinkwell",
        metadata.version("sinkwell"),
    )
    assert registry.problems == ()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError: No module named 'no_such_"),
        ("def (", "SyntaxError: "),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("class Odd(BaseException): pass\nraise Odd", "broken.Odd"),
        (
            "class Mute(Exception):\n    def __str__(self): raise OSError\nraise Mute",
            "broken.Mute: <exception str() failed>",
        ),
    ],
)
def test_a_plugin_that_fails_at_import_is_reported_and_the_others_live(
    shop: Shop, code: str, reason: str
) -> None:
    shop.sell("broken", "0.1", code)
    shop.sell("well-made", "1.0", good("well"))
    registry = shop.discover()
    assert list(registry.sinks) == ["well"]
    expected = f"plugin broken of broken 0.1: cannot be imported: {reason}"
    assert the_problem(registry).startswith(expected)
    assert the_problem(registry).endswith(": reinstall broken, or report this to its authors")


def test_ctrl_c_during_an_import_stops_sinkwell(shop: Shop) -> None:
    shop.sell("slow", "1.0", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        shop.discover()


def test_an_entry_point_that_names_no_module_is_reported() -> None:
    registry = discover([EntryPoint("odd", "!!!", "sinkwell")])
    assert the_problem(registry).startswith("plugin odd of ? ?: cannot be imported: ")


def test_a_mistyped_hook_is_reported_with_the_nearest_one(shop: Shop) -> None:
    shop.sell("typo", "2.0", good("typo").replace("sinkwell_sinks", "sinkwell_snks"))
    registry = shop.discover()
    assert registry.sinks == {}
    assert the_problem(registry) == (
        'plugin typo of typo 2.0: implements an unknown hook "sinkwell_snks"; '
        'the nearest is "sinkwell_sinks": report this to the authors of typo 2.0'
    )


def test_a_hook_that_asks_for_arguments_is_reported(shop: Shop) -> None:
    shop.sell("greedy", "1.0", good("x").replace("sinkwell_sinks()", "sinkwell_sinks(config)"))
    shop.sell("well-made", "1.0", good("well"))
    registry = shop.discover()
    assert list(registry.sinks) == ["well"]
    assert "has a hook that does not fit: " in the_problem(registry)
    assert "Argument(s) {'config'} are declared" in the_problem(registry)


def test_a_plugin_without_a_marked_hook_is_reported(shop: Shop) -> None:
    shop.sell("unmarked", "1.0", good("x").replace("@hookimpl", ""))
    assert the_problem(shop.discover()) == (
        "plugin unmarked of unmarked 1.0: implements no hook; each needs the mark "
        "@sinkwell.contract.hookimpl: report this to the authors of unmarked 1.0"
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("raise ZeroDivisionError('oops')", "ZeroDivisionError: oops"),
        ("raise SystemExit", "SystemExit"),
        ("yield 1 / 0", "ZeroDivisionError: division by zero"),
        ("return 3", "TypeError: 'int' object is not iterable"),
    ],
)
def test_a_hook_that_fails_leaves_other_plugins_and_its_own_other_hooks(
    shop: Shop, body: str, reason: str
) -> None:
    failing = f"\n@hookimpl\ndef sinkwell_sources():\n    {body}\n"
    shop.sell("half", "1.0", good("half") + failing)
    shop.sell("well-made", "1.0", good("well"))
    registry = shop.discover()
    assert list(registry.sinks) == ["half", "well"]
    assert the_problem(registry) == (
        f"plugin half of half 1.0: its hook sinkwell_sources failed: {reason}: "
        "report this to the authors of half 1.0"
    )


def test_a_hook_wrapper_reaches_no_other_plugin(shop: Shop) -> None:
    thief = """
    from sinkwell.contract import hookimpl

    @hookimpl(wrapper=True)
    def sinkwell_sinks():
        yield
        return []
    """
    shop.sell("thief", "1.0", thief)
    shop.sell("well-made", "1.0", good("well"))
    assert list(shop.discover().sinks) == ["well"]


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        (
            "return [",
            'return ["local",',
            "its hook sinkwell_sinks returned a str instead of a SinkType",
        ),
        (
            'name="well"',
            'name="Well_Made"',
            "the sink type 'Well_Made' is misnamed: lower-case letters, digits and dashes",
        ),
        (
            "settings=Settings",
            "settings=SourceSettings",
            'the settings class of sink type "well" does not extend SinkSettings',
        ),
        (
            "settings=Settings",
            "settings=None",
            'the settings class of sink type "well" does not extend SinkSettings',
        ),
        (
            "root: str",
            "root: list[complex]",
            'the settings class of sink type "well" cannot hold its field "root", a complex',
        ),
        (
            "root: str",
            "root: Secret | int",
            'the settings class of sink type "well" cannot be understood: TypeError: Type ',
        ),
        (
            "root: str",
            'root: "Nowhere"',
            'the settings class of sink type "well" cannot be understood: NameError: name ',
        ),
        (
            "open=open",
            "open=open, key_limits=KeyLimits(key=899)",
            'the key limits of sink type "well" are too low: every sink takes 900 bytes a key and ',
        ),
        (
            "open=open",
            "open=open, key_limits=KeyLimits(segment=119)",
            'the key limits of sink type "well" are too low: every sink takes 900 bytes a key',
        ),
        (
            "open=open",
            "open=open, key_limits=1024",
            'the key limits of sink type "well" cannot be understood: AttributeError: ',
        ),
        (
            "open=open",
            "open=open, policy='{}'",
            'policy of sink type "well" is a str instead of a function',
        ),
    ],
)
def test_a_type_that_breaks_the_contract_is_reported(
    shop: Shop, old: str, new: str, what: str
) -> None:
    shop.sell("odd", "1.0", good("well").replace(old, new))
    assert f"plugin odd of odd 1.0: {what}" in the_problem(shop.discover())


def test_limits_that_take_every_key_of_ours_are_fine(shop: Shop) -> None:
    exact = "open=open, key_limits=KeyLimits(key=900, segment=120)"
    shop.sell("exact", "1.0", good("exact").replace("open=open", exact))
    assert list(shop.discover().sinks) == ["exact"]


def test_settings_of_nested_and_recursive_shape_are_fine(shop: Shop) -> None:
    nested = """
class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    timeout: Duration = Duration(3)
    tokens: dict[str, list[Secret]] = {}
    inner: "Fetch | None" = None

class Settings(SinkSettings, frozen=True, kw_only=True):
    fetch: Fetch | None = None
    limits: tuple[Size, ...] = ()
"""
    code = "import msgspec\n" + good("well").replace("async def", nested + "\nasync def")
    shop.sell("well-made", "1.0", code)
    registry = shop.discover()
    assert registry.problems == ()
    assert list(registry.sinks) == ["well"]


def test_a_name_that_two_distributions_claim_belongs_to_neither(shop: Shop) -> None:
    other = 'return [SinkType(name="only-a", summary="", settings=Settings, open=open), '
    shop.sell("sinkwell-a", "1.0", good("x").replace("return [", other))
    shop.sell("sinkwell-b", "2.0", good("x"))
    shop.sell("well-made", "1.0", good("well"))
    registry = shop.discover()
    assert list(registry.sinks) == ["only-a", "well"]
    clash = registry.clashes["sink", "x"]
    assert clash in registry.problems
    assert clash.what == 'sink type "x" is claimed by both sinkwell-a 1.0 and sinkwell-b 2.0'
    assert clash.advice == "uninstall one"


def test_a_name_that_three_claim_names_all_three(shop: Shop) -> None:
    for name in ("a", "b", "c"):
        shop.sell(f"sinkwell-{name}", "1.0", good("x"))
    clash = shop.discover().clashes["sink", "x"]
    assert clash.what == (
        'sink type "x" is claimed by sinkwell-a 1.0 and sinkwell-b 1.0 and sinkwell-c 1.0'
    )
    assert clash.advice == "uninstall all but one"


def test_a_stranger_that_claims_a_built_in_name_is_the_one_to_uninstall(shop: Shop) -> None:
    shop.sell("sinkwell-b", "2.0", good("disk"))
    (entry_point,) = Distribution.at(shop.root / "sinkwell_b-2.0.dist-info").entry_points
    registry = discover([entry_point], {"disk": a_plugin_for("disk")})
    assert registry.sinks == {}
    assert registry.clashes["sink", "disk"].advice == "uninstall sinkwell-b"


def test_a_plugin_that_offers_one_name_twice_has_neither(shop: Shop) -> None:
    shop.sell("twice", "1.0", good("x").replace("open=open)", "open=open)] * 2 + ["))
    registry = shop.discover()
    assert registry.sinks == {}
    assert registry.clashes["sink", "x"].what == 'sink type "x" is claimed twice by twice 1.0'


def test_one_name_may_be_a_source_a_sink_and_a_notifier(shop: Shop) -> None:
    more = """
@hookimpl
def sinkwell_notifiers():
    return [NotifierType(name="x", summary="", settings=NotifierSettings, open=open)]
"""
    shop.sell("both", "1.0", good("x") + more)
    registry = shop.discover()
    assert (list(registry.sinks), list(registry.notifiers)) == (["x"], ["x"])
    assert registry.problems == ()


def test_a_damaged_distribution_hides_no_other_plugin(shop: Shop) -> None:
    shop.sell("damaged", "1.0", "", entry_points="[sinkwell]\nno equals sign\n")
    shop.sell("well-made", "1.0", good("well"))
    registry = discover()
    assert "well" in registry.sinks
    (problem,) = (each for each in registry.problems if each.distribution == "damaged 1.0")
    assert problem.what == "its list of entry points is damaged, so its plugins stay unknown"
    assert problem.advice == "install it again"


def test_a_distribution_that_is_on_the_path_twice_is_no_clash(
    shop: Shop, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.sell("well-made", "1.0", good("well"))
    older = Shop(tmp_path_factory.mktemp("older"))
    older.sell("well-made", "0.9", good("well"))
    monkeypatch.setattr(sys, "path", [*sys.path, str(older.root)])
    assert discover().sinks["well"].version == "1.0"


def a_plugin_for(name: str) -> object:
    async def never(_settings: SinkSettings, _context: object) -> object:
        raise AssertionError("nothing is opened here")

    @hookimpl
    def sinkwell_sinks() -> list[object]:
        return [SinkType(name=name, summary="", settings=SinkSettings, open=never)]  # type: ignore[arg-type]  # a stand-in

    return SimpleNamespace(sinkwell_sinks=sinkwell_sinks)


@pytest.mark.parametrize("name", ["gcs", "local", "s3", "sftp"])
def test_a_type_is_registered_without_loading_what_only_its_sinks_need(name: str) -> None:
    heavy = {"aiohttp", "asyncssh", "boto3", "botocore", "google.auth", "google.cloud.storage"}
    program = f"import sinkwell_{name}, sys; print(*({heavy!r} & sys.modules.keys()))"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == []
