import re
import time
from dataclasses import replace
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from sinkwell.naming import KeyValues, Template, TemplateError, identifier, segment

TOKEN = "a1B2c3D4e5F6a7B8c9D0e1F2a3B4c5D6"
HASH = "[a-z2-7]{16}"

FILE = KeyValues(
    id=TOKEN,
    file_id="f019ab8e2f3c40123456789abcdef",
    source="shotbot",
    received_at=1795343405.75,  # 2026-11-22 10:30:05 UTC
    ext="png",
    sha256="0123456789abcdef" * 4,
    name="Annual Report.html.png",
    url="https://www.Example.com:8443/a/b?c=d",
    tags=("news", "europe"),
    labels={"team": "blue", "release": "v1.2"},
)


def key(template: str, **changes: object) -> str:
    return Template.parse(template).key(replace(FILE, **changes))  # type: ignore[arg-type] # any field


# ---- what templates make ---------------------------------------------------------------------


def test_the_default_of_shotbot_makes_exactly_the_key_that_people_expect() -> None:
    template = "screenshots/{yyyy}/{mm}/{dd}/{token}.{format}"
    assert key(template) == f"screenshots/2026/11/22/{TOKEN}.png"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{id}", TOKEN),
        ("{token}", TOKEN),
        ("{file_id}", "f019ab8e2f3c40123456789abcdef"),
        ("{source}", "shotbot"),
        ("{domain}", "www.example.com"),
        ("{tag}", "news"),
        ("{label.team}", "blue"),
        ("{yyyy}-{mm}-{dd}T{hh}.{ii}.{ss}", "2026-11-22T10.30.05"),
        ("{date}T{time}", "2026-11-22T103005"),
        ("{ext}.{format}", "png.png"),
        ("{sha256}", "0123456789abcdef" * 4),
        ("{sha256:64}", "0123456789abcdef" * 4),
        ("{sha256:2}/{sha256:8}", "01/01234567"),
        ("Year={yyyy}/dt={date}/X_{id}.png", f"Year=2026/dt=2026-11-22/X_{TOKEN}.png"),
    ],
)
def test_each_variable_has_its_value(template: str, expected: str) -> None:
    assert key(template) == expected


def test_one_file_has_one_uuid_and_another_file_another() -> None:
    uuid = key("{uuid}")
    assert UUID(uuid).version == 5
    assert uuid == "2c290a1f-57da-5c93-af8d-47d4dd33864d"
    assert key("{uuid}", id="else", received_at=0.0) == uuid
    assert key("{uuid}", file_id="f2") != uuid


@pytest.mark.parametrize(
    ("template", "missing", "expected"),
    [
        ("{tag}", {"tags": ()}, "none"),
        ("{tag}", {"tags": ("", "second")}, "none"),
        ("{domain}", {"url": None}, "none"),
        ("{domain}", {"url": "file:///tmp/x.html"}, "none"),
        ("{name}", {"name": None}, "none"),
        ("{name}", {"name": "uploads/"}, "none"),
        ("{label.team}", {"labels": {}}, "none"),
        ("{label.team}", {"labels": {"team": ""}}, "none"),
        ("{ext}", {"ext": ""}, "bin"),
        ("{ext}", {"ext": "tar.gz"}, "bin"),
        ("{ext}", {"ext": "../etc"}, "bin"),
    ],
)
def test_a_missing_value_has_its_stand_in(
    template: str, missing: dict[str, object], expected: str
) -> None:
    assert key(template, **missing) == expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("example.com", "example.com"),
        ("example.com/path", "example.com"),
        ("EXAMPLE.com.", "example.com"),
        ("https://user:secret@example.com:8080/", "example.com"),
        ("https://bücher.example/", "xn--bcher-kva.example"),
        ("https://例え.テスト/", "xn--r8jz45g.xn--zckzah"),
        ("https://straße.example/", "xn--strae-oqa.example"),  # once "strasse", another host
        ("https://BÜCHER。example./", "xn--bcher-kva.example"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example"),
        ("https://☕.example/", "example-HASH"),
        ("https://א1.example/", "xn--1-zhc.example"),
        ("https://1א.example/", "1_.example-HASH"),
        ("http://127.0.0.1/", "127.0.0.1"),
        ("http://[2001:db8::1]/", "2001_db8_1-HASH"),
        ("http://[broken/", "http_broken-HASH"),
        ("https://" + "ü" * 5000, "u+-HASH"),
        ("https://con/", "_con-HASH"),
        ("https://../..", "none"),
    ],
)
def test_the_domain_is_the_host_in_its_ascii_form(url: str, expected: str) -> None:
    assert re.fullmatch(
        expected.replace(".", r"\.").replace("HASH", HASH), key("{domain}", url=url)
    )


@pytest.mark.parametrize("unit", ["ü", "例", "\u0301", "\u200d", "א", "ﷺ", "xn--ü", "ü."])
def test_no_host_takes_long(unit: str) -> None:
    start = time.thread_time()
    for length in (63, 253, 2048):
        key("{domain}", url=f"https://{(unit * length)[:length]}/")
    assert time.thread_time() - start < 0.1


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("UTC", "2026-10-25T010000"),
        ("Europe/Berlin", "2026-10-25T020000"),  # the second of two
        ("America/New_York", "2026-10-24T210000"),
        ("Pacific/Kiritimati", "2026-10-25T150000"),
    ],
)
def test_the_clock_is_that_of_the_time_zone(zone: str, expected: str) -> None:
    template = Template.parse("{yyyy}-{mm}-{dd}T{hh}{ii}{ss}", ZoneInfo(zone))
    assert template.key(replace(FILE, received_at=1_792_890_000.999_999_5)) == expected
    both = Template.parse("{date}T{time}", ZoneInfo(zone))
    assert both.key(replace(FILE, received_at=1_792_890_000.0)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("shot.png", "shot"),
        ("shot", "shot"),
        ("Annual Report.png", "annual_report-HASH"),
        ("x.html.png", "x_html-HASH"),
        (r"C:\Users\me\shot.png", "shot"),
        ("../../etc/passwd", "passwd"),
        (".htaccess", "htaccess-HASH"),
        ("NUL.png", "_nul-HASH"),
        ("..", "_-HASH"),
    ],
)
def test_a_name_loses_directories_and_extension(name: str, expected: str) -> None:
    assert re.fullmatch(expected.replace("HASH", HASH), key("{name}", name=name))


def test_a_dot_of_the_sender_stays_in_directories_and_never_makes_an_extension() -> None:
    assert key("{label.release}/{id}.{ext}") == f"v1.2/{TOKEN}.png"
    assert re.fullmatch(rf"v1_2-{HASH}\.png", key("{label.release}.{ext}"))
    assert re.fullmatch(rf"x_html-{HASH}", key("{id}", id="x.html"))
    assert key("{domain}-{id}.{ext}") == f"www.example.com-{TOKEN}.png"


# ---- several values in one segment -----------------------------------------------------------

UUID_LIKE = "550e8400-e29b-41d4-a716-446655440000"


@pytest.mark.parametrize(
    ("template", "id_", "expected"),
    [
        ("{domain}-{id}.{ext}", TOKEN, f"www.example.com-{TOKEN}.png"),
        ("{id}-{name}.{ext}", TOKEN, f"{TOKEN}-x-y.png"),
        ("{id}_{name}.{ext}", UUID_LIKE, f"{UUID_LIKE}_x-y.png"),
        ("{domain}_{id}.{ext}", UUID_LIKE, f"www.example.com_{UUID_LIKE}.png"),
        ("{source}-{tag}-{date}-{id}", TOKEN, f"shotbot-news-2026-11-22-{TOKEN}"),
    ],
)
def test_values_stand_as_they_are_where_the_id_can_be_told(
    template: str, id_: str, expected: str
) -> None:
    assert key(template, id=id_, name="x-y.png") == expected


@pytest.mark.parametrize("template", ["{id}-{tag}", "{tag}-{id}", "{id}{tag}", "{tag}_{id}_{name}"])
def test_where_the_id_cannot_be_told_a_hash_tells_it(template: str) -> None:
    one = key(template, id="a-b", tags=("c-b",))
    assert re.fullmatch(rf".*--{HASH}", one)
    assert key(template, id="a", tags=("b-c-b",)) != one


def test_the_hash_tells_where_one_value_ends_and_the_next_begins() -> None:
    assert key("{id}{tag}", id="ab", tags=("c",)) != key("{id}{tag}", id="a", tags=("bc",))


def test_a_sender_cannot_spell_the_key_of_another_file() -> None:
    template = "{id}-{name}"
    theirs = key(template, id="a-b", name="c")
    assert theirs.startswith("a-b-c--")
    assert key(template, id="a", name=theirs.removeprefix("a-")) != theirs


@pytest.mark.parametrize("ending", [".{ext}", ".{format}", ".png", ".thumb.png"])
def test_the_extension_outlives_the_shortening(ending: str) -> None:
    name = key(f"{{id}}-{{name}}{ending}", name="n" * 110)
    assert len(name) <= 120
    assert re.fullmatch(rf"{TOKEN}-n+--{HASH}\.png", name)
    assert name != key(f"{{id}}-{{name}}{ending}", name="n" * 109)


def test_values_that_spell_a_device_together_are_set_apart() -> None:
    assert re.fullmatch(rf"_con--{HASH}\.png", key("c{tag}.{ext}", tags=("on",)))
    assert re.fullmatch(
        rf"_soap--{HASH}", key("{tag}{label.team}", tags=("so",), labels={"team": "ap"})
    )
    longest = key("c{tag}/{id}", tags=("on." + "x" * 116,)).split("/")[0]
    assert re.fullmatch(rf"_con\.x+--{HASH}", longest)
    assert len(longest) == 120


def test_the_keys_of_deep_templates_have_900_bytes_at_most() -> None:
    deep = "/".join(["{tag}"] * 20) + "/{id}.{ext}"
    long = key(deep, tags=("t" * 120,), id="i" * 64)
    assert len(long) <= 900
    assert long.endswith(".png")
    assert long != key(deep, tags=("t" * 119,), id="i" * 64)


# ---- names -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("report-2026_v1.tar.gz", "report-2026_v1.tar.gz"),
        ("Crème Brûlée.PDF", "creme_brulee.pdf-HASH"),
        ("Straße", "strasse-HASH"),
        ("a  b", "a_b-HASH"),
        ("../../etc/passwd", "etc_passwd-HASH"),
        ("日本", "_-HASH"),
        ("", "_-HASH"),
        ("con", "_con-HASH"),
        ("con.txt", "_con.txt-HASH"),
        ("COM\u00b9", "_com1-HASH"),
        ("conifer", "conifer"),
        ("soap", "_soap-HASH"),
        ("soap.txt", "soap.txt"),
        ("a..b", "a.b-HASH"),
        ("a" * 120, "a" * 120),
        ("a" * 121, "a{102}-HASH"),
    ],
)
def test_a_segment_keeps_what_can_be_read(raw: str, expected: str) -> None:
    assert re.fullmatch(expected.replace("HASH", HASH), segment(raw))


def test_names_that_no_encoding_knows_are_told_apart() -> None:
    texts = ["a\ud800", "a\udfff", "a?", "a\ufffd", "a\ud83d\ude00", "a\U0001f600", "a"]
    assert len({segment(text) for text in texts}) == len(texts)


def test_the_case_of_letters_and_digits_stays_in_an_identifier_only() -> None:
    assert identifier(TOKEN) == TOKEN
    assert re.fullmatch(f"{TOKEN.lower()}-{HASH}", segment(TOKEN))
    assert re.fullmatch(f"_com1-{HASH}", identifier("COM1"))
    assert re.fullmatch(f"a_b-{HASH}", identifier("a b"))
    assert identifier("a_b") == "a_b"


def test_an_id_that_looks_like_a_hashed_one_is_hashed_too() -> None:
    assert re.fullmatch(f"(a_b-{HASH})-{HASH}", identifier(identifier("a b")))


# ---- templates themselves --------------------------------------------------------------------


def test_a_template_tells_its_text_and_its_variables() -> None:
    template = Template.parse("{source}/{sha256:8}/{label.team}/{token}.{format}")
    assert str(template) == "{source}/{sha256:8}/{label.team}/{token}.{format}"
    assert template.variables == {"source", "sha256:8", "label.team", "token", "format"}
    assert template == Template.parse(str(template))
    assert template != Template.parse("{id}")


@pytest.mark.parametrize("own", ["id", "token", "file_id", "sha256", "sha256:64", "uuid"])
def test_a_template_with_something_of_the_files_own_cannot_collide(own: str) -> None:
    assert not Template.parse(f"{{date}}/{{{own}}}.{{ext}}").can_collide


@pytest.mark.parametrize(
    "text", ["latest.png", "{domain}/{date}{time}.{ext}", "{name}-{sha256:63}"]
)
def test_a_template_without_can_collide(text: str) -> None:
    assert Template.parse(text).can_collide


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{id}", False),
        ("{domain}/{token}.{ext}", False),
        ("{sha256:63}-{id}", False),
        ("{source}-{id}", True),
        ("{file_id}", True),
        ("{uuid}", True),
        ("{sha256}", True),
        ("{sha256:64}", True),
    ],
)
def test_a_template_knows_whether_it_tells_sources_apart(text: str, told: bool) -> None:
    assert Template.parse(text).tells_sources_apart is told


@pytest.mark.parametrize(
    ("text", "at", "what", "cure"),
    [
        ("a/{tokn}.png", 3, "unknown variable {tokn}", "did you mean {token}?"),
        ("{YYYY}/{id}", 1, "unknown variable {YYYY}", "did you mean {yyyy}?"),
        ("{lable.team}", 1, "unknown variable {lable.team}", "did you mean {label.team}?"),
        ("{zzzzzz}", 1, "unknown variable {zzzzzz}", "there are id, token, file_id"),
        ("{}", 1, "unknown variable {}", "there are id"),
        ("x{label.}", 2, "{label.} without a name", "{label.NAME}"),
        ("{sha256:0}", 1, "length '0'", "1 to 64"),
        ("{sha256:65}", 1, "length '65'", "1 to 64"),
        ("{sha256:}", 1, "length ''", "1 to 64"),
        ("{mm:2}", 1, "length of {mm}", "only {sha256}"),
        ("a/{id", 3, '"{" that is never closed', "{name}"),
        ("{id/x}", 1, '"{" that is never closed', "{name}"),
        ("{{id}}", 1, '"{" that is never closed', "{name}"),
        ("a/id}", 5, '"}" that is never opened', "{name}"),
        ("/a", 1, '"/" that starts the key', "remove it"),
        ("/", 1, '"/" that starts the key', "remove it"),
        ("a/", 2, '"/" that ends the key', "remove it"),
        ("a//b", 2, '"/" that is doubled', "remove it"),
        ("a/../b", 3, 'segment ".."', "remove it"),
        ("./b", 1, 'segment "."', "remove it"),
        ("a..b/{id}", 2, 'text ".."', "one dot"),
        (".well-known/acme-challenge/{id}", 1, 'starts with "."', "start with a letter"),
        ("{tag}/-{id}", 7, 'starts with "-"', "start with a letter"),
        ("{tag}./{id}", 6, 'ends in "."', "remove the dot"),
        ("a/con/{id}", 3, 'reserved name "con"', '"_con"'),
        ("NUL.{ext}", 1, 'reserved name "NUL.{ext}"', '"_NUL.{ext}"'),
        ("soap", 1, 'reserved name "soap"', '"_soap"'),
        ("{id} x", 5, "character ' '", "letters, digits and . _ - = /"),
        ("a\\{id}", 2, r"character '\\'", "letters, digits"),
        ("caf\u00e9", 4, "character '\u00e9'", "letters, digits"),
        ("x" * 121, 1, "segment of 121 characters", "at most 120"),
        ("a/" * 32 + "{id}", 65, "segment 33", "32"),
        *((f"a{bad}b", 2, f"character {bad!r}", "letters") for bad in "%~#[]:*?<>|\"'\0\n\u202e"),
    ],
)
def test_what_is_wrong_with_a_template_is_said_with_its_place_and_cure(
    text: str, at: int, what: str, cure: str
) -> None:
    with pytest.raises(TemplateError) as refused:
        Template.parse(text)
    message = str(refused.value)
    assert what in message
    assert f"at character {at} of the key template {text!r}: " in message
    assert cure in message.partition(repr(text))[2]


def test_an_empty_template_is_refused_with_an_example_that_works() -> None:
    with pytest.raises(
        TemplateError, match="the key template is empty: write one such as"
    ) as refused:
        Template.parse("")
    example = str(refused.value).split('"')[1]
    assert not Template.parse(example).can_collide


def test_a_template_that_could_make_keys_of_more_than_900_bytes_is_refused() -> None:
    with pytest.raises(TemplateError, match="900 characters of a key: use fewer segments"):
        Template.parse("/".join(["{tag}"] * 32))
    with pytest.raises(TemplateError, match="900 characters of a key: use fewer segments"):
        Template.parse("/".join(["x" * 120] * 8))
