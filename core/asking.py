"""What is asked of the engine, and in which conversation: the question with all that belongs to it.

When that is done, and what is done about its end, is in `answering.py`.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from core.attachments import ONLY_FILES, Attachments
from core.domain import (
    Calls,
    ConversationId,
    Exchange,
    Guide,
    Question,
    ReadFile,
    RunState,
    Said,
    Turn,
    TurnState,
)
from core.ports import AnswerEngine
from core.rounds import MOST_ROUNDS, Rounds
from core.store import Store
from core.talk import CALLED, talk_before
from core.work import Work

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Asking:
    """Creates the runs of turns."""

    store: Store
    engine: AnswerEngine
    guide_for: Callable[[Turn], Guide] = lambda _: Guide()  #: how it is to be answered there
    reads_talk: bool = False  #: else the engine reads nothing but questions
    rounds: Rounds | None = None  #: None: there are no tools
    attachments: Attachments | None = None  #: None: attached files are passed over

    @property
    def has_tools(self) -> bool:
        """Whether runs may want something to be called."""
        return self.rounds is not None and self.rounds.has_tools

    async def waiting(self, turn: Turn) -> tuple[str, ...]:
        """What the asker is to confirm under the reply."""
        return () if self.rounds is None else await self.rounds.waiting(turn)

    async def begun(self, turn: Turn) -> tuple[str, ...]:
        """What was called because the asker confirmed it."""
        return () if self.rounds is None else await self.rounds.begun(turn)

    async def is_called_into_a_talk(self, work: Work) -> bool:
        """Whether it is a mention alone, and people have said what it is about."""
        if not self.reads_talk or work.turn.question.strip():
            return False
        return bool(await talk_before(work.platform, work.turn, work.follows))

    async def files_refused(
        self, work: Work, uploads: Collection[str], *, gone: bool = False
    ) -> bool:
        """Hear that the engine does not read files; see `Attachments.refused`."""
        if self.attachments is None:
            return False
        return await self.attachments.refused(work, uploads, gone=gone)

    async def recovered(self, work: Work) -> RunState | None:
        """What became of a run whose id was lost, if there was one."""
        conversation = self.conversation(work.turn)
        if not work.run_in_doubt or conversation is None:
            return None
        state = await self.engine.recover(conversation, _question(work.turn))
        if isinstance(state, Calls) and work.turn.round and self.rounds is not None:
            # What the run before wanted is known; of the one that is told of it, there is no trace.
            return None if await self.rounds.knows(work.turn, state.calls) else state
        return state

    async def create_run(self, work: Work, left: float) -> RunState | None:
        """Have the engine begin with a question, or go on with one whose calls are to be told.

        `left` are the seconds until the asker should have heard. `work.created` is the run then.
        Without one the question has changed, as `work.stale` says; or there is nothing to ask,
        because it was all in files that cannot be read; or a run whose id was lost has ended
        meanwhile, and its state is returned. Raises as engines do.
        """
        if work.turn.round:
            conversation = self.conversation(work.turn)
            if conversation is not None:
                await self._create_next_run(work, conversation, left)
                return None
            if not await self._begin_anew(work):
                return None
        files: tuple[ReadFile, ...] = ()
        if work.turn.has_files and self.attachments is not None:
            files = await self.attachments.read(work, left)
            if not files and not work.turn.question.strip():
                return None
        conversation = await self._conversation_for(work)
        if conversation is None:
            return None
        talk = await self._talk(work, conversation)
        asked = replace(self._asked(work.turn), talk=talk, files=files)
        if not asked.text.strip():
            asked = replace(asked, text=ONLY_FILES if files else CALLED)
        if self.rounds is not None:
            made = await self.rounds.made(work.turn, left)
            asked = replace(asked, made=made, untold=await self.rounds.untold(work.turn))
        if (state := await self.recovered(work)) is not None:  # all that may have taken long
            return state
        work.created_for = work.turn.revision
        work.created = await self.engine.start(conversation, asked)
        return None

    async def _talk(self, work: Work, conversation: ConversationId) -> tuple[Said, ...]:
        """What was said in the thread that the conversation does not know."""
        if not self.reads_talk:
            return ()
        # Where the first try to start a run in it fails, it is as new for the next one.
        opened, exchanges = work.opened or (None, ())
        began_with = exchanges if opened == conversation else None
        return await talk_before(work.platform, work.turn, work.follows, began_with)

    async def _conversation_for(self, work: Work) -> ConversationId | None:
        """The conversation of the turn's thread, or a new one; None: the question has changed."""
        conversation = self.conversation(work.turn)
        if conversation is not None:
            return conversation
        told: Sequence[Exchange] = ()
        if work.follows is not None:  # else nothing was asked in the thread before
            told = await self.store.turns.history(work.turn, work.history)
        history = [replace(each, question=each.question or CALLED) for each in told]
        conversation = await self.engine.open_conversation(work.turn.thread, history)
        if not await self._link(work, conversation):
            work.stale = True
            return None
        work.opened = (conversation, history)
        return conversation

    async def _create_next_run(self, work: Work, conversation: ConversationId, left: float) -> None:
        """Make the calls that the run before wanted, and create the run that is told of them."""
        assert self.rounds is not None  # noqa: S101 (else there are no rounds)
        outputs = await self.rounds.outputs(work.turn, left)
        if work.stale:  # that took long: the question may have been edited, deleted or stopped
            return
        work.created_for = work.turn.revision
        work.created = await self.engine.start(conversation, self._asked(work.turn), outputs)

    async def _begin_anew(self, work: Work) -> bool:
        """Go back to the question: the conversation that knows of the calls was left.

        Returns False where the question has changed.
        """
        if await self.store.progress.requeue(work.turn):
            work.turn = replace(work.turn, state=TurnState.QUEUED, run=None, round=0)
            return True
        work.stale = True
        return False

    def _asked(self, turn: Turn) -> Question:
        tools = self.rounds.offered(turn) if self.rounds is not None else ()
        return replace(
            _question(turn),
            guide=self.guide_for(turn),
            tools=tools,
            is_last_round=turn.round >= MOST_ROUNDS,
        )

    # --- conversations ----------------------------------------------------------------------------

    def conversation(self, turn: Turn) -> ConversationId | None:
        """The conversation of the turn's thread, where this engine has it."""
        return turn.conversation if turn.engine == self.engine.name else None

    async def _link(self, work: Work, conversation: ConversationId | None) -> bool:
        linked = await self.store.progress.link(work.turn, self.engine.name, conversation)
        if linked:
            work.turn = replace(work.turn, engine=self.engine.name, conversation=conversation)
        return linked

    async def leave(self, work: Work, why: str) -> None:
        """Leave a conversation whose content is not certain; the next run opens a new one."""
        log.info("%s: it is rebuilt from the turns on record", why, extra={"turn": work.turn.id})
        await self._link(work, None)
        work.locked_since = None


def _question(turn: Turn) -> Question:
    return Question(
        turn=turn.id,
        thread=turn.thread,
        author=turn.author,
        text=turn.question,
        asked_at=turn.asked_at,
        revision=turn.revision,
    )
