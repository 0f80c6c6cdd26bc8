"""How a response ended, as far as that is read.

The SDK makes objects of all of it, and at the first one works out what any part of any response may
be, for which whoever asks first waits. Here only the items that are read become the SDK's objects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from openai import BaseModel
from openai.types.responses import (
    ResponseFileSearchToolCall,
    ResponseFunctionToolCall,
    ResponseFunctionToolCallOutputItem,
    ResponseOutputMessage,
)
from openai.types.responses.response_output_item import McpApprovalRequest, McpApprovalResponse

_READ: Mapping[str, type[BaseModel]] = {
    "message": ResponseOutputMessage,
    "file_search_call": ResponseFileSearchToolCall,
    "function_call": ResponseFunctionToolCall,
    "function_call_output": ResponseFunctionToolCallOutputItem,
    "mcp_approval_request": McpApprovalRequest,
    "mcp_approval_response": McpApprovalResponse,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """A response that is no longer at work. All of it is untrusted."""

    status: object
    output: Sequence[object]  #: the SDK's objects; what is not read stays as it came
    error: Mapping[str, object]  #: why it failed, as far as it says
    reason: object  #: why it is incomplete


def ended_of(shown: Mapping[str, Any]) -> Ended:
    """Read a response as it comes over the wire."""
    output, details = shown.get("output"), shown.get("incomplete_details")
    error = shown.get("error")
    return Ended(
        status=shown.get("status"),
        output=[_item(item) for item in output] if isinstance(output, list) else (),
        error=error if isinstance(error, dict) else {},
        reason=details.get("reason") if isinstance(details, dict) else None,
    )


def _item(item: object) -> object:
    kind = item.get("type") if isinstance(item, dict) else None
    made = _READ.get(kind) if isinstance(kind, str) else None
    if made is None or not isinstance(item, dict):
        return item
    try:
        return made.construct(**item)
    except (AttributeError, TypeError):  # it takes some keys for arguments of its own
        return item
