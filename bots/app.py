"""The composition root: the one place where stores, engines, indexes and platforms are made.

A third platform adds a line to `make_platforms`, a second engine one in `engines.py`. What
needs an SDK is imported where it is made: each takes a third of a second, and most commands need
none.
"""

import logging
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from bots.engines import make_engine
from bots.terminal_bot.events import USER
from core.abandoned import AbandonedRuns
from core.alerts import Alerts, announcer
from core.answering import Answering
from core.asking import Asking
from core.attachments import Attachments
from core.attendance import Attendance
from core.breaker import Breaker
from core.calling import Calling
from core.channels import ChannelsInForce
from core.delivery import Delivery
from core.desk import Desk
from core.digest import Digest
from core.domain import ThreadRef, TurnId
from core.drafts import Drafts
from core.evaluation import Evaluation
from core.gap_report import GapReports
from core.humans import Humans
from core.lease import Lease
from core.limits import Limits
from core.local_engine.finder import PageFinder
from core.loop import Loop
from core.manners import Manners
from core.ports import AnswerEngine, DocumentIndex, PageSource, Platform
from core.refresh import Refresher
from core.refresh.names import by_any_name
from core.replies import LastRefresh, Replies
from core.rounds import Rounds
from core.settings import Settings
from core.sharing import Sharing
from core.sources import make_sources
from core.store import Store
from core.tools.toolbox import Toolbox
from core.webhook import DeployHook

log = logging.getLogger(__name__)

WORKER = "worker"  # the role of a process that answers, whoever heard of the question

Closable = DocumentIndex | PageSource | Platform


@dataclass(frozen=True, kw_only=True, slots=True)
class Hook:
    """What takes requests to refresh over HTTP."""

    deployed: DeployHook
    port: int | None  #: for a server of its own; None: Slack's takes them


@dataclass(frozen=True, kw_only=True, slots=True)
class Docent:
    """Everything that a running Docent consists of, put together."""

    store: Store
    engine: AnswerEngine
    refresher: Refresher
    desk: Desk
    loop: Loop
    alerts: Alerts
    channels: ChannelsInForce
    calling: Calling
    sharing: Sharing
    digest: Digest | None  #: None: there is no channel for it, or not at hand
    hook: Hook | None  #: None: nobody may ask for a refresh over HTTP
    finder: PageFinder
    platforms: Mapping[str, Platform]


@dataclass(frozen=True, kw_only=True, slots=True)
class Roles:
    """What one process does: hear of what is asked, answer it, or both."""

    listens: frozenset[str]  #: to these platforms
    works: bool  #: above all; one that does not still answers while there is no worker

    @classmethod
    def named(cls, names: Collection[str], settings: Settings) -> "Roles":
        """The roles as the command line names them; without any, all of them."""
        present = {"slack": settings.slack, "discord": settings.discord}
        with_tokens = frozenset(name for name, tokens in present.items() if tokens)
        if not names:
            return cls(listens=with_tokens, works=True)
        return cls(listens=frozenset(names) - {WORKER}, works=WORKER in names)


def make_platforms(settings: Settings, store: Store, roles: Roles) -> list[Platform]:
    """The platforms that have their tokens; for no worker, those that it listens or alerts to."""
    platforms: list[Platform] = []
    told = (settings.ops_channel, settings.team_channel, settings.digest_channel)
    needed = roles.listens | {channel.partition(":")[0] for channel in told if channel}
    if settings.slack and (roles.works or "slack" in needed):
        from bots.slack_bot.adapter import SlackPlatform

        platforms.append(SlackPlatform(settings.slack))
    if settings.discord and (roles.works or "discord" in needed):
        from bots.discord_bot.adapter import DiscordPlatform

        platforms.append(
            DiscordPlatform(
                settings.discord,
                remembered=partial(store.values.get, "discord_commands"),
                remember=partial(store.values.put, "discord_commands"),
                tokens=store.tokens,
            )
        )
    return platforms


@asynccontextmanager
async def open_store(settings: Settings, *, must_exist: bool = False) -> AsyncIterator[Store]:
    """The store that the settings name, closed at the end; `must_exist`: no file is made."""
    async with await Store.open(settings.database_url, must_exist=must_exist) as store:
        yield store


@asynccontextmanager
async def assemble(
    settings: Settings, store: Store, platforms: Sequence[Platform], *, works: bool = True
) -> AsyncIterator[Docent]:
    """Put a Docent together around its platforms; everything but the store is closed at the end.

    `works`: whether it answers even where other processes would. Raises ConfigError where a
    documentation source is not usable.
    """
    by_name = {platform.name: platform for platform in platforms}
    alerts = Alerts(store.values, announcer(settings.ops_channel, by_name))
    finder = PageFinder(store.passages)
    sources = make_sources(settings.docs_sources, allow_private=settings.docs_allow_private)
    toolbox = make_toolbox(settings) if platforms else Toolbox()  # no refresh needs its tools
    channels = ChannelsInForce(settings, by_any_name(sources), partial(_channel_of, by_name))
    spared, indexes = make_engine(
        settings, store, finder, store.turns.questions, partial(_sources_of, store, channels)
    )
    engine = Breaker(spared, on_trouble=alerts.report)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(engine.close)
        parts: tuple[Closable, ...] = (*indexes, *sources, *platforms)
        for part in parts:
            stack.push_async_callback(part.close)
        refresher = Refresher(store=store, sources=sources, indexes=indexes)
        lease = Lease(store, platforms=by_name, is_worker=works)
        loop = _make_loop(
            settings,
            store,
            engine,
            _make_asking(settings, store, engine, toolbox, channels, by_name),
            finder,
            refresher.last_ended,
            lease,
            alerts,
            channels,
            by_name,
        )
        calling = Calling(store=store, humans=_make_humans(channels), platforms=by_name)
        sharing = Sharing(store=store, platforms=by_name, on_shared=loop.scan_soon)
        reports = GapReports(store=store, platforms=by_name)
        desk = _make_desk(
            settings, store, refresher, lease, loop, channels, calling, sharing, reports
        )
        yield Docent(
            store=store,
            engine=engine,
            refresher=refresher,
            desk=desk,
            loop=loop,
            alerts=alerts,
            channels=channels,
            calling=calling,
            sharing=sharing,
            digest=_make_digest(settings, store, reports, alerts),
            finder=finder,
            hook=_make_hook(settings, refresher, platforms),
            platforms=by_name,
        )


@asynccontextmanager
async def evaluating(settings: Settings, store: Store) -> AsyncIterator[Evaluation]:
    """The engine of the settings, to be asked what nobody asked on a platform."""
    asked: dict[TurnId, Sequence[str]] = {}

    async def questions(turn: TurnId) -> Sequence[str]:
        return asked.get(turn, ())

    finder = PageFinder(store.passages)
    engine, indexes = make_engine(settings, store, finder, questions)
    async with AsyncExitStack() as stack:
        for index in indexes:
            stack.push_async_callback(index.close)
        stack.push_async_callback(engine.close)
        yield Evaluation(engine, finder.pages, deadline=settings.run_deadline, asked=asked)


def _make_desk(
    settings: Settings,
    store: Store,
    refresher: Refresher,
    lease: Lease,
    loop: Loop,
    channels: ChannelsInForce,
    calling: Calling,
    sharing: Sharing,
    reports: GapReports,
) -> Desk:
    return Desk(
        store=store,
        refresher=refresher,
        attendance=Attendance(store=store, catch_up=settings.catch_up),
        manners=_make_manners(settings, store, channels),
        reports=reports,
        admins=_admins(settings),
        wants=lease.wants,
        on_turn=loop.notice,
        on_change=loop.changed,
        on_doubt=loop.scan_soon,
        humans=calling.humans,
        on_call=calling.look_soon,
        can_share=partial(_can_share, sharing.platforms),
        on_share=sharing.look_soon,
    )


def _admins(settings: Settings) -> frozenset[str]:
    """Who may do what admins may: whoever sits at the machine, too."""
    return frozenset({*settings.admins, f"terminal:{USER}"})


def make_toolbox(settings: Settings) -> Toolbox:
    """The tools of the team. Raises ConfigError with all that is wrong with them."""
    if not settings.tools:
        return Toolbox()
    from core.tools.loading import load_toolbox  # takes a tenth of a second

    return load_toolbox(settings.tools, admins=_admins(settings))


def _make_humans(channels: ChannelsInForce) -> Humans:
    return Humans(people_for=channels.people_for, team_channel_for=channels.team_channel_for)


def _make_manners(settings: Settings, store: Store, channels: ChannelsInForce) -> Manners:
    return Manners(
        store=store,
        admission=settings.admission,
        policy_for=channels.follow_ups_for,
        idle_after=settings.follow_ups_for,
    )


def _channel_of(platforms: Mapping[str, Platform], thread: ThreadRef) -> str:
    """In which channel a thread hangs; "" where its platform is not at hand."""
    platform = platforms.get(thread.platform)
    return platform.channel_of(thread) if platform else ""


def _can_share(platforms: Mapping[str, Platform], thread: ThreadRef) -> bool:
    platform = platforms.get(thread.platform)
    return platform is not None and platform.can_share(thread)


async def _sources_of(store: Store, channels: ChannelsInForce, turn: TurnId) -> Sequence[str]:
    """The sources to answer a turn from; a look into the database only where it may matter."""
    if not channels.current.has_sources:
        return ()
    asked = await store.turns.get(turn)
    return channels.guide_for(asked).sources if asked else ()


def _make_digest(
    settings: Settings, store: Store, reports: GapReports, alerts: Alerts
) -> Digest | None:
    name, _, channel = (settings.digest_channel or "").partition(":")
    platform = reports.platforms.get(name)
    if platform is None:
        return None
    return Digest(
        kept=store.values,
        reports=reports,
        platform=platform,
        channel=channel,
        every=settings.digest_every,
        on_trouble=alerts.report,
    )


def _make_hook(
    settings: Settings, refresher: Refresher, platforms: Sequence[Platform]
) -> Hook | None:
    if settings.docs_webhook_secret is None:
        return None
    deployed = DeployHook(secret=settings.docs_webhook_secret, refresher=refresher)
    port: int | None = settings.port
    if any(platform.name == "slack" for platform in platforms):
        from bots import webhook
        from bots.slack_bot.adapter import SlackPlatform

        for platform in platforms:
            if isinstance(platform, SlackPlatform) and platform.serves_http:
                platform.routes, port = webhook.routes(deployed), None
    return Hook(deployed=deployed, port=port)


def _make_asking(
    settings: Settings,
    store: Store,
    engine: AnswerEngine,
    toolbox: Toolbox,
    channels: ChannelsInForce,
    platforms: Mapping[str, Platform],
) -> Asking:
    openai = settings.openai if settings.engine == "openai" else None
    return Asking(
        store=store,
        engine=engine,
        guide_for=channels.guide_for,
        # The local engine looks for the words of questions: those of others mislead it. And it
        # calls nothing.
        reads_talk=openai is not None,
        rounds=Rounds(
            store=store,
            toolbox=toolbox,
            servers=[server.label for server in openai.remote_servers if server.needs_approval],
            channel_of=partial(_channel_of, platforms),
        )
        if openai
        else None,
        attachments=Attachments(
            store=store,
            engine=engine,
            deadline=settings.run_deadline,
            retention_days=settings.retention_days,
        ),
    )


def _make_loop(
    settings: Settings,
    store: Store,
    engine: AnswerEngine,
    asking: Asking,
    finder: PageFinder,
    last_refresh: LastRefresh,
    lease: Lease,
    alerts: Alerts,
    channels: ChannelsInForce,
    platforms: Mapping[str, Platform],
) -> Loop:
    """The loop, with the steps of a turn."""
    abandoned = AbandonedRuns(store=store, engine=engine)
    drafts = Drafts(store=store, engine=engine, lease=lease, is_streaming=channels.streaming_for)
    answering = Answering(
        store=store,
        engine=engine,
        asking=asking,
        replies=Replies(
            find_pages=finder.helpful_pages,
            guide_for=channels.guide_for,
            last_refresh=last_refresh,
            max_age=settings.docs_max_age,
            fallback_message=settings.fallback_message,
            invite_url=settings.discord_invite_url,
        ),
        limits=Limits(user=settings.user_limit, channel=settings.channel_limit),
        deadline=settings.run_deadline,
        too_old=settings.catch_up.answer_age if settings.catch_up else None,
        cancel_soon=abandoned.cancel_soon,
        end_drafts=drafts.end,
        on_trouble=alerts.report,
    )
    return Loop(
        store=store,
        answering=answering,
        delivery=Delivery(
            store=store,
            lease=lease,
            on_trouble=alerts.report,
            outlast=drafts.outlast,
            humans=_make_humans(channels),
        ),
        drafts=drafts,
        lease=lease,
        abandoned=abandoned,
        platforms=platforms,
    )
