"""Files that people attach, small, and of every kind."""

import io
import zipfile

from core.domain import Attached, MessageId

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"\0" * 17
JPEG = b"\xff\xd8\xff\xe0\0\x10JFIF\0"
WEBP = b"RIFF\x24\0\0\0WEBPVP8 "
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n"
EXECUTABLE = b"\x7fELF\x02\x01\x01" + b"\0" * 64
_FRAME = b"\0\x21\xf9\x04\x04\x0a\0\0\0\x2c"  # what begins a picture of a GIF


def gif(frames: int = 1) -> bytes:
    return b"GIF89a\1\0\1\0\x80\0\0" + _FRAME * frames + b"\x3b"


def office(
    folder: str = "word", *, content: bytes = b"<w:t>Hello</w:t>", entries: int = 1
) -> bytes:
    """An office document that unpacks to `content`, so many times."""
    files = {"[Content_Types].xml": b"<Types/>"}
    files |= {f"{folder}/part{number}.xml": content for number in range(entries)}
    return archive(files)


def archive(files: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return made.getvalue()


def bomb() -> bytes:
    """An office document of some kB that unpacks to a gigabyte."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
        packed.writestr("[Content_Types].xml", b"<Types/>")
        with packed.open("word/document.xml", "w", force_zip64=False) as part:
            for _ in range(1024):
                part.write(bytes(2**20))
    return made.getvalue()


def attached(name: str, size: int = 100, *, ref: str = "", message: str = "m1") -> Attached:
    """A file as a message says it is; it is read by its `ref`, which is its name by itself."""
    return Attached(
        name=name,
        size=size,
        media_type="",
        ref=ref or name,
        channel="C1",
        message=MessageId(message),
    )
