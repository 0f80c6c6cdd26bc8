"""What `docent doctor` finds out about OpenAI."""

from openai.types import Model, VectorStore

from core.openai_engine.client import make_client
from core.openai_engine.errors import translate_errors, usable
from core.settings import OpenAISettings


async def check(settings: OpenAISettings) -> str:
    """Try the key, and ask for the model and the configured vector store. Raises EngineError."""
    async with make_client(settings) as client:
        with translate_errors():
            model = usable(Model, await client.models.retrieve(settings.model))
        said = f"the key works, and so does model {settings.model}"
        ends = getattr(model, "shutdown_date", None)
        if ends:
            said += f", which OpenAI switches off on {ends}: choose another in OPENAI_MODEL"
        if settings.vector_store_id:
            with translate_errors():
                found = await client.vector_stores.retrieve(settings.vector_store_id)
                usable(VectorStore, found)
            said += f"; vector store {settings.vector_store_id} is there"
        return said
