"""Tools for a team's bot: how its services are, and a restart that somebody has to agree to."""

from typing import Annotated, Literal

from pydantic import Field

from core.tools import Asker, tool

Service = Annotated[Literal["api", "docs", "exports"], Field(description="The service in question")]

STATES = {"api": "up", "docs": "up", "exports": "slow since 09:40 UTC"}


@tool(repeatable=True, seconds=5)
async def service_status(service: Service) -> dict[str, str]:
    """Tell how a service is right now. For questions whether something is down, slow or broken."""
    return {"service": service, "state": STATES[service]}


@tool(confirm=True, allow="admins")
def restart_service(asker: Asker, service: Service, reason: str = "not said") -> str:
    """Restart a service. Only when somebody explicitly asks for a restart."""
    return f"{service} is restarting, for {asker.user} (reason: {reason})."
