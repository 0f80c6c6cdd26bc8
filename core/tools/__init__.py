"""Functions of the team that the model calls. A file that is named in TOOLS begins like this:

    from core.tools import Asker, tool

    @tool
    async def status(service: str) -> str:
        \"\"\"Tell whether a service is up.\"\"\"

How to write one is in docs/tools.md; `loading.load_toolbox` makes the toolbox of such files.
"""

from core.tools.marking import Asker, tool
from core.tools.secrets import secret
from core.tools.toolbox import Toolbox

__all__ = ["Asker", "Toolbox", "secret", "tool"]
