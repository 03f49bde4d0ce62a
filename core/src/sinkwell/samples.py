"""Small, valid files made on the spot, for demonstrations, tests and benchmarks.

Each picture is a diagonal gradient between two colours that depend on a text: the same text gives
the same bytes, another text other colours. Nothing but the standard library is needed, and no
more of each format is written than a decoder asks for.
"""

import colorsys
import hashlib
import struct
import zlib

LARGEST_SIDE = 4096
"""Of a picture, in pixels."""

_Colour = tuple[int, int, int]


def png(text_seed: str, width: int = 320, height: int = 200) -> bytes:
    """Make a PNG of 8-bit RGB.

    Raises ``ValueError`` unless both sides are 1 to 4096. The sections named in this part are
    those of the PNG specification, third edition.
    """
    line = b"".join(map(bytes, _ramp(text_seed, width, height)))
    # 9.2: each line starts with its filter type, here 0 for none.
    lines = b"".join(b"\0" + line[3 * y : 3 * (y + width)] for y in range(height))
    # 11.2.1: depth 8, colour type 2 (RGB), the only compression and filter methods, no interlace.
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = _chunk(b"IHDR", header), _chunk(b"IDAT", zlib.compress(lines, 9)), _PNG_END
    return _PNG_SIGNATURE + b"".join(chunks)


def sized(image: bytes, size: int, seed: int = 0) -> bytes:
    """Pad a PNG to exactly ``size`` bytes that do not compress; another seed, other bytes.

    Raises ``ValueError`` when ``image`` is no PNG of :func:`png`, or ``size`` is not at least
    12 bytes more than it has: the least that a chunk takes.
    """
    padding = size - len(image) - 12
    if not (image.startswith(_PNG_SIGNATURE) and image.endswith(_PNG_END)) or padding < 0:
        raise ValueError(f"cannot make {size} bytes of {len(image)}: that takes a PNG and 12 more")
    # 5.4: by the case of its letters an ancillary, private chunk that is safe to copy.
    return image[: -len(_PNG_END)] + _chunk(b"swPd", incompressible(padding, seed)) + _PNG_END


def incompressible(size: int, seed: int) -> bytes:
    """Make ``size`` bytes that look random and are always the same for one seed."""
    return hashlib.shake_256(str(seed).encode()).digest(size)


_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"  # 5.2


def _chunk(kind: bytes, data: bytes) -> bytes:
    """Frame one chunk of a PNG (5.3): length, type, data, CRC over type and data."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


_PNG_END = _chunk(b"IEND", b"")


def jpeg(text_seed: str, width: int = 320, height: int = 200) -> bytes:
    """Make a baseline JPEG in colour, whose blocks of 8 by 8 pixels are of one colour each.

    Raises ``ValueError`` unless both sides are 1 to 4096. The sections named in this part are
    those of ITU T.81, except where T.871 (JFIF) is.
    """
    data = _pack_jpeg(_dc_codes(_ramp(text_seed, width, height), width, height))
    # B.2.2: 8 bits, three components: Y, Cb, Cr, none subsampled (0x11), all with table 0.
    frame = struct.pack(">BHHB", 8, height, width, 3) + b"\1\x11\0\2\x11\0\3\x11\0"
    # B.2.3: the three components with tables 0; all 64 coefficients; no approximation.
    scan = b"\3\1\0\2\0\3\0" + b"\0\x3f\0"
    return b"".join(
        (
            b"\xff\xd8",  # B.1.1.3: SOI
            _segment(0xE0, b"JFIF\0\1\2\0\0\1\0\1\0\0"),  # T.871, 10.1: 1.02, square pixels
            _segment(0xDB, b"\0" + bytes((_QUANTUM,)) * 64),  # B.2.4.1: table 0
            _segment(0xC0, frame),
            _segment(0xC4, _huffman_table(0x00, _DC_CODES) + _huffman_table(0x10, _AC_CODES)),
            _segment(0xDA, scan),
            data,
            b"\xff\xd9",  # EOI
        )
    )


# A.3.3 makes the DC coefficient of a flat block 8 times its level, so that this loses nothing.
_QUANTUM = 8
# K.3.1: the code of each size of a difference, as far as 8-bit samples need them.
_DC_CODES = ("00", "010", "011", "100", "101", "110", "1110", "11110", "111110")
# The one AC symbol used is 0, end of block (F.1.2.2.1).
_AC_CODES = ("0",)


def _segment(marker: int, data: bytes) -> bytes:
    """Frame one marker segment (B.1.1.4): its length counts itself."""
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _huffman_table(class_and_id: int, codes: tuple[str, ...]) -> bytes:
    """Describe codes for the symbols 0, 1, 2 … (B.2.4.2): how many of each length, the symbols."""
    lengths = [len(code) for code in codes]
    counts = bytes(lengths.count(length) for length in range(1, 17))
    return bytes((class_and_id,)) + counts + bytes(range(len(codes)))


def _dc_codes(ramp: list[_Colour], width: int, height: int) -> str:
    """Code the flat blocks, line by line, as differences to the block before (F.1.2.1)."""
    bits: list[str] = []
    before = (0, 0, 0)
    for top in range(0, height, 8):
        for left in range(0, width, 8):
            levels = _levels(ramp[min(left + top + 7, len(ramp) - 1)])
            for level, last in zip(levels, before, strict=True):
                difference = level - last
                size = abs(difference).bit_length()
                value = difference if difference > 0 else difference + (1 << size) - 1
                bits += _DC_CODES[size], f"{value:0{size}b}" if size else "", _AC_CODES[0]
            before = levels
    return "".join(bits)


def _levels(colour: _Colour) -> _Colour:
    """Convert RGB to Y, Cb, Cr (T.871, 7), each shifted to be signed (A.3.1)."""
    red, green, blue = colour
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    return round(y) - 128, round((blue - y) / 1.772), round((red - y) / 1.402)


def _pack_jpeg(bits: str) -> bytes:
    """Pack bits, the first one highest, padded with ones (F.1.2.3).

    A byte FF would have to be followed by 00, but there is none: the AC code ends each block with
    a zero, and eight ones in a row before it would take a difference of 255, white after black.
    """
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def webp(text_seed: str, width: int = 320, height: int = 200) -> bytes:
    """Make a lossless WebP.

    Raises ``ValueError`` unless both sides are 1 to 4096. The sections named in this part are
    those of RFC 9649.
    """
    ramp = _ramp(text_seed, width, height)
    pixels = [f"{_green_code(g)}{r:08b}{b:08b}" for r, g, b in ramp]  # 3.7.3: green is the first
    # Each line is the one above, moved by a pixel, and one pixel more.
    shift = _copy_code(width - 1) if width > 1 else ""
    lines = "".join(pixels[:width]) + "".join(shift + pixel for pixel in pixels[width:])
    header = (
        _number(0x2F, 8)  # 3.4: signature, sides, no alpha, version 0
        + _number(width - 1, 14) + _number(height - 1, 14) + _number(0, 1) + _number(0, 3)
        + "000"  # 3.8.2, 3.8.3: no transform, no colour cache, one group of codes
    )  # fmt: skip
    codes = (
        _normal_code(_SHORT_CODES, _GREEN_SYMBOLS - _SHORT_CODES)
        + _normal_code(256, 0) * 2  # red and blue
        + _simple_code(255)  # alpha: opaque
        + _simple_code(3)  # 3.6.2.2: the distance code 4, one line up and one pixel right
    )
    bits = header + codes + lines
    data = int(bits[::-1], 2).to_bytes((len(bits) + 7) // 8, "little")
    data_chunk = b"VP8L" + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(data_chunk) + 4) + b"WEBP" + data_chunk  # 2.4, 2.6


# The code of green has 256 symbols for its values and 24 for lengths. With 8 bits for so many of
# them and 9 for the rest, no code is left over, as 3.7.2.1.2 asks.
_GREEN_SYMBOLS, _SHORT_CODES = 280, 232


def _number(value: int, count: int) -> str:
    """Write a number of so many bits, the lowest one first (3.2)."""
    return "".join(str(value >> bit & 1) for bit in range(count))


def _simple_code(symbol: int) -> str:
    """Describe a code with one symbol, which then takes no bits (3.7.2.1.1)."""
    return "101" + _number(symbol, 8)


def _normal_code(short: int, long: int) -> str:
    """Describe a code of so many symbols with 8 bits, then so many with 9 (3.7.2.1.2).

    In the section's order the lengths 8 and 9 are the 12th and the 13th. Where both occur, each
    symbol's length takes one bit; where there is but one, none.
    """
    used = 13 if long else 12
    lengths = _number(0, 3) * 11 + _number(1, 3) * (used - 11)
    return "0" + _number(used - 4, 4) + lengths + "0" + ("0" * short + "1" * long if long else "")


def _green_code(symbol: int) -> str:
    return f"{symbol:08b}" if symbol < _SHORT_CODES else f"{symbol + _SHORT_CODES:09b}"


def _copy_code(length: int) -> str:
    """Code a copy of so many pixels: the prefix and extra bits of its length (3.6.2.2)."""
    extra = max((length - 1).bit_length() - 2, 0)
    prefix, rest = divmod(length - 1, 1 << extra)
    return _green_code(256 + 2 * extra + prefix) + _number(rest, extra)


def pdf(text: str) -> bytes:
    """Make a PDF of one A4 page that shows the lines of ``text``, each of about 45 characters.

    What Windows-1252 does not have becomes a question mark. The sections are of ISO 32000.
    """
    shown = b" ".join(b"<%b> '" % _hexadecimal(line) for line in text.splitlines())
    content = b"BT /F1 20 Tf 26 TL 60 780 Td %b ET" % shown  # 9.4.3: ' is next line, and show
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R %b >>"
        % b"/Resources << /Font << /F1 5 0 R >> >>",
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    )
    file = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"  # 7.5.2: bytes above 127 show that it is binary
    entries = b"0000000000 65535 f \n"  # 7.5.4: of exactly 20 bytes each; number 0 is free
    for number, value in enumerate(objects, 1):
        entries += b"%010d 00000 n \n" % len(file)
        file += b"%d 0 obj\n%b\nendobj\n" % (number, value)
    size = len(objects) + 1
    end = b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"  # 7.5.5
    return file + b"xref\n0 %d\n%b" % (size, entries) + end % (size, len(file))


def _hexadecimal(line: str) -> bytes:
    return line.encode("windows-1252", "replace").hex().encode()


def _ramp(text_seed: str, width: int, height: int) -> list[_Colour]:
    """Return the gradient: the pixel at ``x, y`` has the colour ``x + y``."""
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise ValueError(f"a side must be 1 to {LARGEST_SIDE} pixels, not {width} x {height}")
    hue, turn, light, dark = struct.unpack(">H3B", hashlib.sha256(text_seed.encode()).digest()[:5])
    first = colorsys.hls_to_rgb(hue / 65536, 0.72 + light / 2048, 0.75)
    last = colorsys.hls_to_rgb(hue / 65536 + 0.08 + turn / 2048, 0.3 + dark / 2048, 0.6)
    steps = max(width + height - 2, 1)
    return [
        (_mix(first[0], last[0], at), _mix(first[1], last[1], at), _mix(first[2], last[2], at))
        for at in (step / steps for step in range(width + height - 1))
    ]


def _mix(first: float, last: float, at: float) -> int:
    return round(255 * (first + (last - first) * at))
