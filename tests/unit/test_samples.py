import hashlib
import itertools
import re
import struct
import zlib
from collections.abc import Callable, Iterator

import pytest

from sinkwell import samples

Picture = Callable[..., bytes]
Colour = tuple[int, int, int]

pictures = pytest.mark.parametrize("picture", [samples.png, samples.jpeg, samples.webp])
sizes = pytest.mark.parametrize(
    ("width", "height"), [(1, 1), (1, 9), (9, 1), (2, 2), (5, 3), (17, 23), (320, 200)]
)


@pictures
def test_one_text_gives_one_picture_and_another_text_another(picture: Picture) -> None:
    assert picture("a.example") == picture("a.example")
    assert len({picture(f"{number}.example", 64, 40) for number in range(500)}) == 500


@pictures
@pytest.mark.parametrize(("width", "height"), [(0, 1), (1, 0), (4097, 1), (1, 4097), (-1, 1)])
def test_a_side_out_of_range_is_refused(picture: Picture, width: int, height: int) -> None:
    with pytest.raises(ValueError, match=rf"1 to 4096 pixels, not {width} x {height}"):
        picture("a", width, height)


@pictures
def test_a_picture_is_small_unless_asked_to_be_large(picture: Picture) -> None:
    assert len(picture("a.example")) < 4_000


@sizes
def test_a_png_holds_the_gradient(width: int, height: int) -> None:
    pixels = png_pixels(samples.png("a", width, height), width, height)

    by_diagonal: dict[int, set[Colour]] = {}
    for (x, y), colour in pixels.items():
        by_diagonal.setdefault(x + y, set()).add(colour)
    assert all(len(colours) == 1 for colours in by_diagonal.values())
    if width + height > 2:
        assert pixels[0, 0] != pixels[width - 1, height - 1]
    else:
        assert len(pixels) == 1


@sizes
def test_a_jpeg_has_the_colours_of_the_png(width: int, height: int) -> None:
    pixels = png_pixels(samples.png("a", 328, 208), 328, 208)
    blocks = jpeg_blocks(samples.jpeg("a", 328, 208))

    assert len(blocks) == 41 * 26
    for (column, row), colour in blocks.items():
        expected = pixels[8 * column + 3, 8 * row + 4]
        assert all(abs(a - b) <= 2 for a, b in zip(colour, expected, strict=True))

    markers = dict(jpeg_segments(samples.jpeg("a", width, height)))
    assert struct.unpack(">BHHB", markers[0xC0][:6]) == (8, height, width, 3)
    assert len(jpeg_blocks(samples.jpeg("a", width, height))) == -(-width // 8) * -(-height // 8)


def test_steep_gradients_make_valid_jpegs_too() -> None:
    assert all(len(jpeg_blocks(samples.jpeg(str(seed), 16, 9))) == 4 for seed in range(500))


@sizes
def test_a_webp_says_its_sizes(width: int, height: int) -> None:
    file = samples.webp("a", width, height)
    riff, size, webp, kind, length, signature = struct.unpack("<4sI4s4sIB", file[:21])
    sides = int.from_bytes(file[21:25], "little")

    assert (riff, webp, kind, signature) == (b"RIFF", b"WEBP", b"VP8L", 0x2F)
    assert size == len(file) - 8
    assert length in {len(file) - 20, len(file) - 21}
    assert len(file) % 2 == 0
    assert (sides & 0x3FFF, sides >> 14) == (width - 1, height - 1)


def test_the_webps_are_those_that_real_decoders_took() -> None:
    # libwebp's dwebp and Pillow show these files as the very pixels of the PNGs. When this fails
    # after a change to the encoder, look at them with a real decoder again, then renew the digest.
    sides = [1, 2, 3, 4, 5, 6, 7, 9, 10, 17, 18, 320, 4096]
    files = b"".join(samples.webp("a", width, 3) for width in sides)
    assert (
        hashlib.sha256(files).hexdigest()
        == "68bb6ddfce2b843c24886d0500d25d5a72ba60302986ad442ed61dbf5aa6048d"
    )


@pytest.mark.parametrize("extra", [12, 13, 1_000, 200_000])
def test_a_sized_png_has_that_size_and_the_same_pixels(extra: int) -> None:
    image = samples.png("a", 20, 10)
    padded = samples.sized(image, len(image) + extra)

    assert len(padded) == len(image) + extra
    assert png_pixels(padded, 20, 10) == png_pixels(image, 20, 10)


def test_the_padding_does_not_compress_and_depends_on_the_seed() -> None:
    image = samples.png("a")
    one, other = (samples.sized(image, 200_000, seed) for seed in (1, 2))

    assert one != other
    assert one == samples.sized(image, 200_000, 1)
    assert len(zlib.compress(one, 9)) > 199_000


@pytest.mark.parametrize("extra", [-1, 0, 11])
def test_a_size_without_room_for_the_padding_is_refused(extra: int) -> None:
    image = samples.png("a")
    with pytest.raises(ValueError, match=f"cannot make {len(image) + extra} bytes of {len(image)}"):
        samples.sized(image, len(image) + extra)


def test_only_a_png_can_be_sized() -> None:
    with pytest.raises(ValueError, match="takes a PNG"):
        samples.sized(samples.jpeg("a"), 200_000)


@pytest.mark.parametrize("size", [0, 1, 200_000])
def test_incompressible_bytes_are_as_many_as_asked_for(size: int) -> None:
    assert len(samples.incompressible(size, 7)) == size


@pytest.mark.parametrize("text", ["", "one line", "two\nlines (with \\ brackets)", "Zürich, 5 €"])
def test_a_pdf_shows_its_text(text: str) -> None:
    file = samples.pdf(text)
    shown = re.findall(rb"<([0-9a-f]*)> '", pdf_objects(file)[4])
    lines = [bytes.fromhex(line.decode()).decode("windows-1252") for line in shown]

    assert lines == text.splitlines()
    assert file == samples.pdf(text)


def test_a_pdf_shows_a_question_mark_for_what_its_font_lacks() -> None:
    assert b"<613f62> '" in samples.pdf("a\N{SNOWMAN}b")


def test_the_parts_of_a_pdf_are_where_its_table_says() -> None:
    objects = pdf_objects(samples.pdf("some text"))
    length = re.search(rb"/Length (\d+) >>\nstream\n(.*)\nendstream", objects[4], re.DOTALL)

    assert sorted(objects) == [1, 2, 3, 4, 5]
    assert length is not None
    assert int(length[1]) == len(length[2])
    references = {int(number) for number in re.findall(rb"(\d) 0 R", b"".join(objects.values()))}
    assert references == {2, 3, 4, 5}


def png_pixels(file: bytes, width: int, height: int) -> dict[tuple[int, int], Colour]:
    assert file[:8] == b"\x89PNG\r\n\x1a\n"
    chunks: dict[bytes, bytes] = {}
    at = 8
    while at < len(file):
        length, kind = struct.unpack(">I4s", file[at : at + 8])
        chunks[kind] = file[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack(">I", file[at + 8 + length : at + 12 + length])
        assert checksum == zlib.crc32(kind + chunks[kind])
        at += 12 + length
    kinds = [*chunks]
    assert (kinds[0], kinds[-1]) == (b"IHDR", b"IEND")
    assert chunks[b"IHDR"] == struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.decompress(chunks[b"IDAT"])
    line = 1 + 3 * width
    assert len(data) == height * line
    assert not any(data[::line])
    return {
        (x, y): struct.unpack_from("3B", data, y * line + 1 + 3 * x)
        for x, y in itertools.product(range(width), range(height))
    }


def jpeg_segments(file: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and content; what follows the scan header is the content of 0."""
    assert file[:2] == b"\xff\xd8"
    assert file[-2:] == b"\xff\xd9"
    at, marker = 2, 0
    while marker != 0xDA:
        start, marker, length = struct.unpack(">BBH", file[at : at + 4])
        assert start == 0xFF
        yield marker, file[at + 4 : at + 2 + length]
        at += 2 + length
    yield 0, file[at:-2]


def jpeg_blocks(file: bytes) -> dict[tuple[int, int], Colour]:
    """Decode a picture whose blocks have a DC coefficient only: the colour of each block."""
    parts = dict(jpeg_segments(file))
    height, width = struct.unpack(">HH", parts[0xC0][1:5])
    data = parts[0]
    assert b"\xff" not in data
    bits = iter(f"{int.from_bytes(data, 'big'):0{8 * len(data)}b}")
    dc, ac = jpeg_codes(parts[0xC4])
    step = parts[0xDB][1]
    levels = [0, 0, 0]
    blocks = {}
    for row, column in itertools.product(range(-(-height // 8)), range(-(-width // 8))):
        for component in range(3):
            size = read_code(bits, dc)
            raw = "".join(itertools.islice(bits, size))
            if raw:
                value = int(raw, 2)
                levels[component] += value if raw[0] == "1" else value - (1 << size) + 1
            assert read_code(bits, ac) == 0
        y, cb, cr = (level * step / 8 for level in levels)
        colour = y + 128 + 1.402 * cr, y + 128 - 0.344 * cb - 0.714 * cr, y + 128 + 1.772 * cb
        blocks[column, row] = (round(colour[0]), round(colour[1]), round(colour[2]))
    rest = "".join(bits)
    assert len(rest) < 8
    assert "0" not in rest
    return blocks


def jpeg_codes(tables: bytes) -> list[dict[str, int]]:
    """Build the codes of a DHT segment, of each table in turn."""
    found = []
    while tables:
        symbols = iter(tables[17 : 17 + sum(tables[1:17])])
        codes, code = {}, 0
        for length, count in enumerate(tables[1:17], 1):
            for _ in range(count):
                codes[f"{code:0{length}b}"] = next(symbols)
                code += 1
            code <<= 1
        assert not any("0" not in code for code in codes)
        found.append(codes)
        tables = tables[17 + sum(tables[1:17]) :]
    return found


def read_code(bits: Iterator[str], codes: dict[str, int]) -> int:
    code = ""
    while code not in codes:
        code += next(bits)
    return codes[code]


def pdf_objects(file: bytes) -> dict[int, bytes]:
    """Read the objects from where the cross-reference table says they are."""
    assert file.startswith(b"%PDF-1.4\n")
    end = re.search(rb"startxref\n(\d+)\n%%EOF\n\Z", file)
    assert end is not None
    table = re.match(rb"xref\n0 (\d+)\n", file[int(end[1]) :])
    assert table is not None
    entries = [
        file[int(end[1]) + table.end() + 20 * number :][:20] for number in range(int(table[1]))
    ]
    assert entries[0] == b"0000000000 65535 f \n"
    objects = {}
    for number, entry in enumerate(entries[1:], 1):
        assert re.fullmatch(rb"\d{10} 00000 n \n", entry)
        text = file[int(entry[:10]) :]
        assert text.startswith(b"%d 0 obj\n" % number)
        objects[number] = text[: text.index(b"\nendobj")]
    assert b"trailer\n<< /Size %d /Root 1 0 R >>" % len(entries) in file
    return objects
