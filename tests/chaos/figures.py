"""What a run came to, counted: printed at its end, and quoted in README."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from chaos.drafts import drafts_shown
from chaos.fleet import Fleet
from chaos.kills import Trap
from chaos.plan import Fate
from chaos.stage import Stage
from chaos.verdict import Verdict, is_deleted, posts_of
from chaos.world import World


@dataclass(kw_only=True)
class Figures:
    """What is printed at the end, and quoted in README."""

    seed: int
    variant: str
    seconds: float = 0.0
    asking_seconds: float = 0.0
    settling_seconds: float = 0.0
    threads: int = 0
    questions: int = 0
    events: int = 0  #: delivered, with their repetitions
    unheard: int = 0  #: asked while nobody listened
    deleted: int = 0
    withdrawn: int = 0  #: of them, those that have no reply
    edited: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    starts: int = 0
    drafts: int = 0  #: messages that were on screen before their answer was complete
    states: int = 0  #: in which they were shown after the first
    replies: int = 0
    parts: int = 0
    together: int = 0  #: questions that were answered in the reply to another one
    lost: int = 0
    doubled: int = 0
    calls: int = 0  #: of functions
    interrupted: int = 0  #: of them, those of which nobody knows the end
    uploads: int = 0
    uploaded_again: int = 0
    runs: int = 0
    paid_twice: int = 0
    in_vain: int = 0  #: deletions that nobody could hear of in time
    stale: int = 0  #: edited questions that were answered as they had been before
    overtaken: int = 0  #: taken after a later one of their thread

    def lines(self) -> Iterator[str]:
        """The figures as text."""
        yield (
            f"chaos on {self.variant}, seed {self.seed}: {self.seconds:.1f} s "
            f"(asking {self.asking_seconds:.1f}, settling {self.settling_seconds:.1f})"
        )
        yield (
            f"  {self.questions} questions in {self.threads} threads by {self.events} events; "
            f"{self.unheard} asked while nobody listened, {self.edited} edited, "
            f"{self.deleted} deleted ({self.withdrawn} of them without a reply)"
        )
        yield f"  {self.faults.total()} faults:"
        yield from (f"    {count:3} {kind}" for kind, count in sorted(self.faults.items()))
        yield f"  {self.kills.total()} kills, {self.starts} starts:"
        yield from (f"    {count:3} {kind}" for kind, count in sorted(self.kills.items()))
        yield f"  {self.drafts} drafts, which grew {self.states} times"
        yield (
            f"  {self.replies} replies in {self.parts} posts; "
            f"{self.together} questions answered together with another"
        )
        if self.calls or self.uploads:
            yield (
                f"  {self.calls} calls of functions, {self.interrupted} interrupted; "
                f"{self.uploads} files uploaded, {self.uploaded_again} of them again"
            )
        yield f"  {self.runs} runs, {self.paid_twice} paid for twice"
        yield f"  {self.in_vain} deleted, and answered because nobody could hear of it in time"
        yield f"  {self.stale} edited, and answered as they read before"
        yield f"  {self.overtaken} taken after a later question of their thread"
        yield f"  lost: {self.lost}, doubled: {self.doubled}"


def count_up(
    figures: Figures, world: World, stage: Stage, fleet: Fleet, trap: Trap, verdict: Verdict
) -> None:
    """Fill in the figures, but for those of calls."""
    asked = world.asked.values()
    figures.threads, figures.questions = len(world.places), len(asked)
    figures.events = len(stage.slack.deliveries) + len(asked) // 2 + stage.discord.repeats
    figures.unheard = sum(not one.heard for one in asked)
    figures.deleted = sum(is_deleted(one) for one in asked)
    figures.withdrawn = sum(
        is_deleted(one) and not verdict.answered[one.asking.token] for one in asked
    )
    figures.edited = sum(one.asking.fate is Fate.EDITED and bool(one.changed_at) for one in asked)
    figures.faults = stage.faults
    for (step, platform), count in trap.hits.items():
        figures.kills[f"{step} ({platform})"] += count
    figures.kills["at random"] = world.killed_at_random
    figures.kills["all at once"] = world.outages
    figures.starts = fleet.starts
    figures.drafts, figures.states = drafts_shown(stage)
    figures.replies = len(verdict.replies)
    figures.parts = sum(len(posts_of(stage, place)) for place in world.places.values())
    figures.together = sum(len(reply.tokens) - 1 for reply in verdict.replies if reply.tokens)
    figures.lost, figures.doubled = len(verdict.lost), len(verdict.doubled)
    witness = stage.openai.witness
    figures.interrupted = len(witness.interrupted)
    figures.uploads = witness.uploads.total()
    figures.uploaded_again = figures.uploads - len(witness.uploads)
    figures.runs = len(stage.openai.responses.all)
    figures.paid_twice = len(verdict.paid_twice())
    figures.in_vain = len(verdict.in_vain)
    figures.stale = len(verdict.stale)
    figures.overtaken = verdict.overtaken
