"""What a run at OpenAI says becomes an answer: clean text, and the pages that it rests on."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseOutputMessage

from core.domain import Answer, Citation, NotAnswered
from core.openai_engine.answers import clean_text, read_items
from core.openai_engine.engine import OpenAIEngine
from core.openai_engine.instructions import DEFAULT_INSTRUCTIONS, NOT_IN_DOCS
from servers.growth import LINEAR, growth
from servers.openai_rig import (
    Docs,
    answer_of,
    cited,
    file_id,
    filled_store,
    message,
    state_of,
)
from servers.openai_runs import Script
from servers.openai_server import OpenAIServer

INSTALL = Citation(url="https://docs.example/install", title="Installing")


# --- what the model says --------------------------------------------------------------------------


async def test_several_messages_are_one_answer(server: OpenAIServer, engine: OpenAIEngine) -> None:
    output = [message("One, ", "two."), message("Three.")]
    assert (await answer_of(server, engine, output=output)).text == "One, two.\n\nThree."


async def test_what_the_model_says_to_itself_is_left_out(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    output = [message("I will search.", phase="commentary"), message("Yes.", phase="final_answer")]
    assert (await answer_of(server, engine, output=output)).text == "Yes."
    only = [message("I will search.", phase="commentary")]
    assert (await answer_of(server, engine, output=only)).text == "I will search."


async def test_a_refusal_of_the_model_is_its_answer(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    refusal = message() | {"content": [{"type": "refusal", "refusal": "I cannot help with that."}]}
    answer = await answer_of(server, engine, output=[refusal])
    assert answer.text == "I cannot help with that."


@pytest.mark.parametrize(
    "text",
    [
        f"The documentation does not say.\n{NOT_IN_DOCS}",
        f"The documentation does not say.\n\n{NOT_IN_DOCS}\n",
        f"{NOT_IN_DOCS} The documentation does not say.",
        f"The documentation does not say. `{NOT_IN_DOCS}`",
        f"The documentation does not say.\n**{NOT_IN_DOCS.upper()}**",
        "The documentation does not say.\n[[ not in docs ]]",
    ],
)
async def test_the_mark_for_no_answer_is_taken_out_and_understood(
    server: OpenAIServer, engine: OpenAIEngine, text: str
) -> None:
    state = await state_of(server, engine, Script(statuses=["completed"], text=text))
    assert state == NotAnswered(text="The documentation does not say.")


@pytest.mark.parametrize("status", ["completed", "incomplete"])
async def test_the_mark_alone_is_no_answer_without_words(
    server: OpenAIServer, engine: OpenAIEngine, status: str
) -> None:
    state = await state_of(server, engine, Script(statuses=[status], text=NOT_IN_DOCS))
    assert state == NotAnswered()


def test_the_default_instructions_ask_for_the_mark_as_it_stands() -> None:
    assert f"\n{NOT_IN_DOCS}\n" in DEFAULT_INSTRUCTIONS


@pytest.mark.parametrize(
    ("leaked", "clean"),
    [
        ("Use pip\ue200filecite\ue202turn0file1\ue201.", "Use pip."),
        ("Use pip \ue200cite\ue202turn0search0\ue202turn0search1\ue201.", "Use pip."),
        ("Use pip \ue200filecite\ue202turn0file1\ue202L5-L10\ue201 now.", "Use pip now."),
        ("Use pip 【4:0†install.md】.", "Use pip."),
        ("Use pip【4:0†source】【4:1†source】, then", "Use pip, then"),
        ("Use pip 【4:0†source】 【4:1†source】 now", "Use pip now"),
        ("Use pip【4†source】 now", "Use pip now"),
        ("(see this 【4:0†source】)", "(see this)"),
        ("Use pip \ue200filecite\ue202turn0file1", "Use pip"),
        ("Use pip fileciteturn0file1turn0file2.", "Use pip."),
        ("Use\ue202 pip\ue201.", "Use pip."),
        ("One 【4:0†source】\nTwo", "One\nTwo"),
        ("- 【4:0†source】 One\n- Two", "- One\n- Two"),
        ("【4:0†source】 One", "One"),
        ("```\n    x  =  1 ;\n```", "```\n    x  =  1 ;\n```"),
        ("```\n    【4:0†source】x\n```", "```\n    x\n```"),
        ("【注意】 Citeseer 【4】", "【注意】 Citeseer 【4】"),
    ],
)
def test_citation_marks_are_taken_out_with_their_spaces(leaked: str, clean: str) -> None:
    assert clean_text(leaked) == clean


@given(st.text(alphabet="ab .\n-`\ue200\ue201\ue202【】†0:citeurnfl", max_size=80))
def test_no_private_character_survives(text: str) -> None:
    assert not set(clean_text(text)) & {"\ue200", "\ue201", "\ue202"}


@given(st.text(alphabet="ab .,\n\t-`[]()*_:0", max_size=80))
def test_a_text_without_marks_stays_as_it_is(text: str) -> None:
    assert clean_text(text) == text.strip()


def response_with(text: str) -> Response:
    """A response as the SDK makes it of what comes in."""
    return Response.construct(output=[ResponseOutputMessage.construct(**message(text))])


@pytest.mark.parametrize("run", [" ", "*", "\ue200", "【4", "cite", "`", "[["])
def test_long_runs_of_spaces_and_stars_are_cleaned_in_linear_time(run: str) -> None:
    def cleaned(size: int) -> None:
        assert read_items(response_with(run * size + "x").output).text

    assert growth(cleaned, 2_000) < LINEAR


# --- citations ------------------------------------------------------------------------------------


async def test_a_citation_is_the_page_in_our_own_table(
    server: OpenAIServer, engine: OpenAIEngine, docs: Docs
) -> None:
    docs.vector_store = await filled_store(server, install={"url": "https://old.example/"})
    ref = file_id(server, "install")
    docs.pages[ref] = INSTALL
    answer = await answer_of(server, engine, text="Yes.", cites=[ref])
    assert answer == Answer(text="Yes.", citations=(INSTALL,))


async def test_pages_are_cited_once_each_and_in_order_of_use(
    server: OpenAIServer, engine: OpenAIEngine, docs: Docs
) -> None:
    other = Citation(url="https://docs.example/other", title="Other")
    docs.pages |= {"file-1": INSTALL, "file-2": other, "file-3": INSTALL}
    files = [("file-2", "b"), ("file-1", "a"), ("file-2", "b"), ("file-3", "c")]
    answer = await answer_of(server, engine, output=[*cited(*files[:2]), *cited(*files[2:])])
    assert answer.citations == (other, INSTALL)


async def test_a_page_is_cited_to_the_section_that_the_words_before_the_mark_rest_on(
    server: OpenAIServer, engine: OpenAIEngine, docs: Docs
) -> None:
    section = Citation(url=f"{INSTALL.url}#with-pip", title="Installing › With pip")
    docs.pages["file-1"] = INSTALL
    docs.sections[INSTALL.url, "Use pip."] = section
    said = message("Well.\n\nUse pip. Or a wheel.")
    mark = {"type": "file_citation", "file_id": "file-1", "filename": "a", "index": 15}
    said["content"][0]["annotations"] = [mark]
    assert (await answer_of(server, engine, output=[said])).citations == (section,)


async def test_a_file_that_we_do_not_know_is_cited_by_what_it_says_of_itself(
    server: OpenAIServer, engine: OpenAIEngine, docs: Docs
) -> None:
    docs.vector_store = await filled_store(
        server, install={"url": INSTALL.url, "title": INSTALL.title}
    )
    answer = await answer_of(server, engine, cites=[file_id(server, "install")], text="Yes.")
    assert answer.citations == (INSTALL,)


async def test_a_wrong_id_is_mended_by_the_files_name(
    server: OpenAIServer, engine: OpenAIEngine, docs: Docs
) -> None:
    docs.vector_store = await filled_store(
        server, install={"url": INSTALL.url, "title": INSTALL.title}, setup={}
    )
    docs.pages[file_id(server, "setup")] = Citation(url="https://docs.example/setup", title="Setup")
    output = cited(("file-wrong", "install.md"), ("file-wrong", "setup.md"))
    answer = await answer_of(server, engine, output=output)
    assert [page.url for page in answer.citations] == [INSTALL.url, "https://docs.example/setup"]


def searched(ref: str, name: str, attributes: object) -> dict[str, Any]:
    """A search that found one file, called like this."""
    result = {"file_id": ref, "filename": name, "attributes": attributes, "score": 1, "text": "x"}
    return {"id": "fs_1", "type": "file_search_call", "status": "completed", "results": [result]}


@pytest.mark.parametrize(
    ("found", "citation"),
    [
        (searched("uuid-1", "uuid-1", {"file_id": "file-1"}), ("uuid-1", "uuid-1")),
        (searched("uuid-1", "uuid-1", {"file_id": "file-1"}), ("uuid-1", "install.md")),
        (searched("uuid-1", "a.md", {"file_id": "file-1"}), ("uuid-0", "a.md")),
        (
            searched("uuid-1", "uuid-1", {"file_id": "file-1", "filename": "a.md"}),
            ("uuid-0", "a.md"),
        ),
        (
            searched("uuid-1", "uuid-1", {"url": INSTALL.url, "title": INSTALL.title}),
            ("uuid-1", "uuid-1"),
        ),
        (
            searched(
                "uuid-1",
                "uuid-1",
                {"file_id": "file-1", "url": "https://old.example/", "title": "Old"},
            ),
            ("uuid-1", "uuid-1"),
        ),
    ],
)
async def test_a_server_may_call_files_by_ids_and_names_of_its_own(
    server: OpenAIServer,
    engine: OpenAIEngine,
    docs: Docs,
    found: dict[str, Any],
    citation: tuple[str, str],
) -> None:
    docs.pages["file-1"] = INSTALL
    other = searched("uuid-2", "uuid-2", {"file_id": "file-2", "url": "https://other.example/"})
    answer = await answer_of(server, engine, output=[other, found, *cited(citation)])
    assert answer.citations == (INSTALL,)


async def test_a_citation_that_leads_nowhere_is_dropped(
    server: OpenAIServer, engine: OpenAIEngine, docs: Docs
) -> None:
    docs.vector_store = await filled_store(
        server,
        none={},
        script={"url": "javascript:alert(1)"},
        hidden={"url": "javascript://docs.example/%0Aalert(1)"},
        ftp={"url": "ftp://docs.example/install"},
        nowhere={"url": "https://"},
        broken={"url": "http://[broken"},
        number={"url": 7},
        good={"url": INSTALL.url, "title": INSTALL.title},
    )
    answer = await answer_of(server, engine, cites=list(server.files.all), text="Yes.")
    assert answer == Answer(text="Yes.", citations=(INSTALL,))


async def test_a_page_without_a_title_goes_by_its_address(
    server: OpenAIServer, engine: OpenAIEngine, docs: Docs
) -> None:
    docs.vector_store = await filled_store(server, install={"url": INSTALL.url})
    answer = await answer_of(server, engine, cites=[file_id(server, "install")], text="Yes.")
    assert answer.citations == (Citation(url=INSTALL.url, title=INSTALL.url),)


async def test_other_kinds_of_annotations_are_passed_over(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    said = message("Yes.")
    link = {"type": "url_citation", "url": "https://x.example", "title": "X"}
    said["content"][0]["annotations"] = [link, {"type": "something_new"}, None]
    assert await answer_of(server, engine, output=[said]) == Answer(text="Yes.")


async def test_ids_names_and_attributes_that_make_no_sense_cite_nothing(
    server: OpenAIServer, engine: OpenAIEngine
) -> None:
    output: list[Any] = []
    nonsense: list[Any] = [3, ["file-1"], {}, None]
    for odd in nonsense:
        result = {"file_id": odd, "filename": odd, "attributes": odd}
        search = {"id": "fs_1", "type": "file_search_call", "results": [result]}
        attributes = {"file_id": odd, "filename": odd, "url": odd}
        output += [search, searched("uuid-1", "uuid-1", attributes), *cited((odd, odd))]
    assert (await answer_of(server, engine, output=output)).citations == ()
