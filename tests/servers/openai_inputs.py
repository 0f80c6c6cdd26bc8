"""What the OpenAI server accepts as the parts of a message: texts, and files by their ids."""

from collections.abc import Iterator, Sequence
from typing import Any

from servers.openai_files import File, Files
from servers.openai_wire import ApiError, Json, check_choice, check_fields, check_type, not_found

PARTS = ("input_text", "input_image", "input_file", "output_text", "refusal")
DETAILS = ("auto", "low", "high", "original")
MOST_BYTES = 50 * 10**6  # of all files of a request, with those of its conversation
FOR_INPUT = ("user_data", "vision", "assistants")  # purposes
#: What files have to begin with, by the endings of their names.
BEGINNINGS = {
    "pdf": (b"%PDF-",),
    "docx": (b"PK",),
    "xlsx": (b"PK",),
    "pptx": (b"PK",),
    "png": (b"\x89PNG\r\n\x1a\n",),
    "jpg": (b"\xff\xd8\xff",),
    "gif": (b"GIF87a", b"GIF89a"),
    "webp": (b"RIFF",),
}
PICTURES = ("png", "jpg", "gif", "webp")


def check_parts(content: Sequence[Any], role: str, param: str) -> None:
    """Refuse parts of a message that OpenAI does not know, or not from this role."""
    for number, part in enumerate(content):
        at = f"{param}[{number}]"
        check_type(part, dict, at)
        check_choice(part.get("type"), PARTS, f"{at}.type")
        match part["type"]:
            case "input_text":
                check_fields(part, {"type", "text"}, {"text"}, at=f"{at}.")
                check_type(part["text"], str, f"{at}.text")
            case "input_image":
                check_fields(part, {"type", "file_id", "image_url", "detail"}, at=f"{at}.")
                check_choice(part.get("detail", "auto"), DETAILS, f"{at}.detail")
                _check_one_of(part, ("file_id", "image_url"), at)
            case "input_file":
                known = {"type", "file_id", "file_url", "file_data", "filename", "detail"}
                check_fields(part, known, at=f"{at}.")
                _check_one_of(part, ("file_id", "file_url", "file_data"), at)
        if part["type"].startswith("input_") and role == "assistant":
            message = f"Invalid value: '{part['type']}'. Supported values are: 'output_text'."
            raise ApiError(400, message, code="invalid_value", param=f"{at}.type")


def check_files(files: Files, before: Sequence[Json], entered: Sequence[Json]) -> None:
    """Refuse a request whose input, or whose conversation, names files that cannot be read."""
    size = 0
    for part, at in (*_named(before, "conversation"), *_named(entered, "input")):
        file = files.all.get(part["file_id"])
        if file is None:
            raise not_found(f"File with id '{part['file_id']}' not found.")
        _check_content(part, file, at)
        size += len(file.content)
    if size > MOST_BYTES:
        message = f"The files of this request have {size} bytes, the limit is {MOST_BYTES}."
        raise ApiError(400, message, code="file_too_large", param="input")


def _check_one_of(part: Json, names: Sequence[str], at: str) -> None:
    if len([name for name in names if part.get(name) is not None]) != 1:
        message = f"Exactly one of {', '.join(names)} is required in '{at}'."
        raise ApiError(400, message, code="invalid_value", param=at)


def _named(items: Sequence[Json], param: str) -> Iterator[tuple[Json, str]]:
    for number, item in enumerate(items):
        for place, part in enumerate(item.get("content") or ()):
            if part.get("file_id"):
                yield part, f"{param}[{number}].content[{place}]"


def _check_content(part: Json, file: File, at: str) -> None:
    if file.purpose not in FOR_INPUT:
        message = f"Files with purpose '{file.purpose}' cannot be used as input."
        raise ApiError(400, message, code="invalid_value", param=f"{at}.file_id")
    ending = file.name.rpartition(".")[2]
    is_picture = part["type"] == "input_image"
    begins_well = file.content.startswith(BEGINNINGS.get(ending, ()))
    if is_picture and not (ending in PICTURES and begins_well):
        message = f"The image in file '{file.id}' could not be parsed."
        raise ApiError(400, message, code="image_parse_error", param=f"{at}.file_id")
    if not is_picture and (ending in PICTURES or not begins_well):
        message = f"Invalid file data in '{file.id}': the file type is not supported."
        raise ApiError(400, message, code="unsupported_file", param=f"{at}.file_id")
