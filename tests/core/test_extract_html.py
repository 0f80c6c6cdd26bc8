"""HTML pages: what is content, what it becomes, and that no page takes the process down."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.errors import PageGone, PageUnreadable
from core.sources.content import Content
from core.sources.extract import Format, extract
from core.sources.links import absolute
from servers.growth import LINEAR, growth

PAGE_URL = "https://docs.example.com/guide/setup"


def read(html: str) -> Content:
    return extract(
        html, Format.HTML, name="setup", resolve=lambda target: absolute(PAGE_URL, target)
    )


def markdown(html: str) -> str:
    return read(html).markdown


# --- what is content ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "container",
    [
        '<div class="theme-doc-markdown">{}</div>',
        '<article class="md-content__inner md-typeset">{}</article>',
        '<div role="main"><div itemprop="articleBody">{}</div></div>',
        '<div class="body" role="main">{}</div>',
        '<div class="vp-doc">{}</div>',
        "<main>{}</main>",
        "<article>{}</article>",
    ],
)
def test_only_the_content_container_counts(container: str) -> None:
    content = container.format("<h1>Set up</h1><p>Text.</p>")
    page = f"<body><div>Menu</div><div>{content}</div><div>Imprint</div></body>"
    assert markdown(page) == "# Set up\n\nText."


def test_an_empty_container_is_passed_over() -> None:
    page = '<div class="theme-doc-markdown"><nav>Menu</nav></div><main><p>Text.</p></main>'
    assert markdown(page) == "Text."


def test_of_several_articles_none_is_the_page() -> None:
    page = "<body><article><p>One.</p></article><article><p>Two.</p></article></body>"
    assert markdown(page) == "One.\n\nTwo."


@pytest.mark.parametrize(
    "noise",
    [
        "<nav>x</nav>",
        "<header>x</header>",
        "<footer>x</footer>",
        "<aside>x</aside>",
        "<script>x</script>",
        "<style>x</style>",
        "<noscript>x</noscript>",
        "<form><input><label>x</label></form>",
        "<!-- x -->",
        "<button>x</button>",
        '<div role="navigation">x</div>',
        '<div role="search">x</div>',
        '<ul class="breadcrumbs"><li>x</li></ul>',
        '<div class="toc">x</div>',
        '<a class="edit-this-page" href="/edit">x</a>',
        '<div id="cookie-banner">x</div>',
        '<div class="my_cookie_consent">x</div>',
        '<div class="nav-panel"><a href="/a">Next</a></div>',
        '<div class="header"><p>Next: <a href="/a">x</a></p></div>',
        '<table class="nav"><tr><td>Prev</td></tr></table>',
        '<table summary="Navigation header"><tr><td>Prev</td></tr></table>',
        '<div id="footer">Last updated</div>',
    ],
)
def test_what_is_around_the_content_goes(noise: str) -> None:
    assert markdown(f"<body>{noise}<p>Text.</p>{noise}</body>") == "Text."


def test_an_aside_inside_of_the_content_stays() -> None:
    assert "Mind this." in markdown("<main><p>Text.</p><aside><p>Mind this.</p></aside></main>")


def test_a_form_around_the_whole_page_is_no_noise() -> None:
    assert markdown('<form id="aspnetForm"><h1>Set up</h1><p>Text.</p></form>').endswith("Text.")


@pytest.mark.parametrize(
    "permalink",
    [
        '<a class="headerlink" href="#a">¶</a>',
        '<a href="#a">#</a>',
        '<a href="#a" aria-hidden="true">link</a>',
        '<a class="hash-link" href="#a">\u200b</a>',
        '<a href="#a"></a>',
    ],
)
def test_headings_keep_their_words_and_lose_their_permalinks(permalink: str) -> None:
    assert markdown(f"<main><h2>{permalink}Set <em>it</em> up{permalink}</h2></main>") == (
        "## Set *it* up"
    )


@pytest.mark.parametrize(
    ("html", "heading"),
    [
        ('<h2 id="_setup">Set up</h2>', "## Set up {#_setup}"),
        ('<section id="setup"><h2>Set up</h2></section>', "## Set up {#setup}"),
        ('<div class="section" id="setup"><h2>Set <b>up</b></h2></div>', "## Set **up** {#setup}"),
        ('<div id="content"><h2>Set up</h2></div>', "## Set up"),
        ('<h2 id="set-up">Set up!</h2>', "## Set up!"),
        ('<section id="other"><h3>A</h3><h2>Set up</h2></section>', "### A {#other}\n\n## Set up"),
        ('<h2 id="a b}">Set up</h2>', "## Set up"),
        ("<h2>Set up</h2>", "## Set up"),
        ('<ul><li><h2 id="x">Set up</h2></li></ul>', "- ## Set up"),
    ],
)
def test_a_heading_keeps_the_anchor_that_its_words_do_not_tell(html: str, heading: str) -> None:
    assert markdown(f'<main><h1 id="top">T</h1>{html}</main>') == f"# T\n\n{heading}"


def test_a_heading_that_is_a_link_is_a_heading_only() -> None:
    assert markdown('<main><h2><a href="#a">Set up</a></h2></main>') == "## Set up"


# --- the title ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "title"),
    [
        ("<title>Other</title><main><h1>Set\n <b>up</b></h1><p>x</p></main>", "Set up"),
        ("<title>Set up | Docs</title><main><p>x</p></main>", "Set up"),
        ("<title>Set up — Docs</title><main><p>x</p></main>", "Set up"),
        ("<title>A - B</title><main><p>x</p></main>", "A - B"),
        ("<main><h2>First part</h2><p>x</p></main>", "First part"),
        ("<main><p>x</p></main>", "setup"),
    ],
)
def test_a_title_is_the_h1_else_the_title_else_a_heading_else_the_name(
    page: str, title: str
) -> None:
    assert read(page).title == title


def test_a_title_is_cut_to_one_line_of_200_characters() -> None:
    assert read(f"<h1>{'long ' * 1000}</h1>").title == ("long " * 40)[:199] + "…"


# --- what it becomes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ('<a href="next">x</a>', "[x](https://docs.example.com/guide/next)"),
        ('<a href="/top#a">x</a>', "[x](https://docs.example.com/top#a)"),
        ('<a href="#a">x</a>', "[x](https://docs.example.com/guide/setup#a)"),
        ('<a href="https://e.com/a b(c)">x</a>', "[x](https://e.com/a%20b%28c%29)"),
        ('<a href="mailto:a@example.com">x</a>', "[x](mailto:a@example.com)"),
        ('<a href="javascript:alert(1)">x</a>', "x"),
        ('<a href="data:text/html,hi">x</a>', "x"),
        ('<a href="file:///etc/passwd">x</a>', "x"),
        ('<a href="http://[broken">x</a>', "x"),
        ('<a name="here">x</a>', "x"),
        ("<a href>x</a>", "x"),
    ],
)
def test_links_are_absolute_or_only_their_text(link: str, expected: str) -> None:
    assert markdown(f"<main><p>{link}</p></main>") == expected


def test_a_base_element_is_where_links_start() -> None:
    page = '<head><base href="/v2/"></head><main><a href="next">x</a></main>'
    assert markdown(page) == "[x](https://docs.example.com/v2/next)"


def test_images_become_their_text() -> None:
    assert markdown('<main><p>See <img src="a.png" alt="the plan"> <img src="b"></p></main>') == (
        "See the plan"
    )


@pytest.mark.parametrize(
    ("html", "language"),
    [
        ('<pre><code class="language-python">x = 1</code></pre>', "python"),
        ('<div class="highlight-c++ notranslate"><div><pre>x = 1</pre></div></div>', "c++"),
        ('<pre class="prism-code language-jsx"><code>x = 1</code></pre>', "jsx"),
        ('<div class="highlight-default"><pre>x = 1</pre></div>', ""),
        ("<pre>x = 1</pre>", ""),
        ('<pre><code class="language-a`b">x = 1</code></pre>', "a"),
    ],
)
def test_code_is_fenced_with_its_language(html: str, language: str) -> None:
    assert markdown(f"<main>{html}</main>") == f"```{language}\nx = 1\n```"


def test_a_fence_is_longer_than_any_in_the_code() -> None:
    assert markdown("<main><pre>````\nx\n````</pre></main>") == "`````\n````\nx\n````\n`````"


def test_code_keeps_its_indentation_and_special_characters() -> None:
    assert markdown("<main><pre>if a:\n    b_*c* &lt;d&gt;</pre></main>") == (
        "```\nif a:\n    b_*c* <d>\n```"
    )


def test_the_lines_and_variants_of_an_example_stay_apart() -> None:
    lines = '<div class="line">a</div><div class="line"><div>b</div></div>'
    assert markdown(f"<main><pre><code>{lines}</code></pre></main>") == "```\na\nb\n```"
    variants = "<code>import a</code><code>require a</code>"
    assert markdown(f"<main><pre>{variants}</pre></main>") == "```\nimport a\n\nrequire a\n```"
    tokens = "<code><code>a</code> <code>b</code></code>"
    assert markdown(f"<main><pre>{tokens}</pre></main>") == "```\na b\n```"


def test_the_title_of_a_page_of_many_top_headings_is_in_its_head() -> None:
    page = "<title>{}</title><main><h1>NAME</h1><p>x</p><h1>OPTIONS</h1><p>y</p></main>"
    assert read(page.format("PRUNE(1) | Orchard")).title == "PRUNE(1)"
    assert read(page.format("NAME - Orchard")).title == "NAME"
    assert read(page.format("")).title == "NAME"


def test_tables_are_rectangular_and_keep_every_cell() -> None:
    page = (
        "<main><table><caption>Plans</caption><tr><th>A<th>B</tr>"
        "<tr><td>1 | 2<td><p>x<p>y<td>z</tr></table></main>"
    )
    assert markdown(page) == "Plans\n\n| A | B |  |\n| --- | --- | --- |\n| 1 \\| 2 | x y | z |"


def test_a_table_that_only_arranges_becomes_blocks() -> None:
    page = "<body><table><tr><td><h2>A</h2><p>Text.</p></td><td>More.</td></tr></table></body>"
    assert markdown(page) == "## A\n\nText.\n\nMore."


def test_lists_keep_their_nesting_and_numbers() -> None:
    page = "<main><ol start=9><li>a<ul><li>b</ul><li><p>c</p><p>d</p></ol></main>"
    assert markdown(page) == "9. a\n   - b\n10. c\n\n    d"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("snake_case and __init__", "snake_case and \\_\\_init\\_\\_"),
        ("2 * 3 * 4", "2 \\* 3 \\* 4"),
        ("set &lt;token&gt; &amp;amp;", "set \\<token> \\&amp;"),
        ("# no heading", "\\# no heading"),
        ("- no list", "\\- no list"),
        ("1. no list", "1\\. no list"),
        ("line\n- still the line", "line - still the line"),
    ],
)
def test_text_that_looks_like_markdown_stays_text(text: str, expected: str) -> None:
    assert markdown(f"<main><p>{text}</p></main>") == expected


# --- pages that nobody wrote in good faith --------------------------------------------------------


@pytest.mark.parametrize(
    ("page", "size"),
    [
        pytest.param(lambda n: "<div>" * n + "text" + "</div>" * n, 6_000, id="div"),
        pytest.param(lambda n: "<b>" * n + "text", 2_500, id="b"),
        pytest.param(lambda n: "<ul><li>" * n + "text", 600, id="ul"),
        pytest.param(lambda n: "<blockquote>" * n + "text", 1_200, id="blockquote"),
        pytest.param(lambda n: "<table><tr><td>" * n + "text", 600, id="table"),
        pytest.param(lambda n: "<ol>" + "<li>text" * n, 600, id="ol"),
        pytest.param(lambda n: "<table><thead>" + "<tr><td>text" * n, 600, id="thead"),
        pytest.param(lambda n: "<table><tr>" + "<td colspan=1000>text" * n, 600, id="colspan"),
        pytest.param(lambda n: "<p>text" + "&nbsp;" * n, 40_000, id="spaces"),
        pytest.param(lambda n: "<p>text" + "_" * n, 120_000, id="underscores"),
        pytest.param(lambda n: "<pre>text" + "\n" * n, 500_000, id="lines"),
        pytest.param(lambda n: "<p text " + "a=b " * n + ">text", 120_000, id="attributes"),
    ],
)
def test_a_hostile_page_is_read_in_linear_time(page: Callable[[int], str], size: int) -> None:
    def hostile(size: int) -> None:
        assert "text" in markdown(f"<body>{page(size)}")

    assert growth(hostile, size) < LINEAR


def test_too_many_tags_are_refused_before_they_are_parsed() -> None:
    def tags(size: int) -> None:
        with suppress(PageUnreadable):
            read("<i>x" * size)

    with pytest.raises(PageUnreadable, match="more than 200,000 tags"):
        read("<i>x" * 1_000_000)
    assert growth(tags, 10_000, factor=100) < 1  # a million is less work than ten thousand


def test_markdown_that_outgrows_its_page_is_refused() -> None:
    page = "<ul><li>" * 40 + "<pre>" + "x\n" * 80_000
    with pytest.raises(PageUnreadable, match="characters of text"):
        read(page)


@pytest.mark.parametrize("name", ["soup", "fn_cache", "hn", "list", "td-x", "h0"])
def test_elements_that_no_standard_knows_keep_their_text(name: str) -> None:
    assert markdown(f"<main>a <{name}>b</{name}> c</main>").replace(" ", "") == "abc"


@pytest.mark.parametrize(
    "page", ["", "   ", "<html></html>", "<main><h1></h1><hr></main>", "<", "¶"]
)
def test_a_page_without_words_has_no_content(page: str) -> None:
    with pytest.raises(PageUnreadable, match="no content"):
        read(page)


def test_characters_that_a_database_refuses_are_gone() -> None:
    assert markdown("<main>a\x00b&#0;&#xD800;c\x0bd\x1fe</main>").isprintable()


@pytest.mark.parametrize("page", ["https://docs.example.com/x", "setup.html", "?xml plain"])
def test_a_page_without_any_tag_is_its_text(page: str) -> None:
    assert "x" in markdown(page) or "setup" in markdown(page)


def test_xhtml_with_its_declaration_is_read() -> None:
    page = '<?xml version="1.0" encoding="UTF-8"?>\n<html xmlns="http://www.w3.org/1999/xhtml">'
    assert markdown(f"{page}<body><p>Text.</p></body></html>") == "Text."


TAGS = st.sampled_from(
    (
        *("div", "p", "table", "tr", "td", "th", "pre", "code", "ul", "ol", "li", "dl", "dt", "dd"),
        *("a", "h1", "h2", "b", "em", "br", "img", "header", "form", "main", "q"),
    )
)
PIECES = st.one_of(
    TAGS.map("<{}>".format), TAGS.map("</{}>".format), st.text(max_size=8), st.just("<a href='x'>")
)


@settings(deadline=None)  # a busy machine is no failure
@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_page_is_read_tidily_or_refused(page: str) -> None:
    try:
        content = read(page)
    except PageUnreadable:
        return
    assert content.title
    assert content.markdown == content.markdown.strip("\n")
    assert "\n\n\n" not in content.markdown
    assert all(line == line.rstrip() for line in content.markdown.split("\n"))


# --- what the head says ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", ["0; URL=setup.html", "0;url=/setup", "1.0, url='https://docs.example.com/setup'"]
)
def test_a_page_that_only_leads_to_another_is_gone(content: str) -> None:
    head = f'<title>Redirecting…</title><meta http-equiv="Refresh" content="{content}">'
    script = f"<script>{'x' * 2_000}</script>"
    with pytest.raises(PageGone, match="only leads to another page"):
        read(f'<head>{head}</head><p>See <a href="setup.html">Set up</a>.</p>{script}')


@pytest.mark.parametrize(
    "html",
    [
        '<meta http-equiv="refresh" content="300"><p>Text.</p>',
        '<meta http-equiv="refresh" content="30; url=/logout"><p>Text.</p>',
        '<meta http-equiv="content-type" content="0; url=x"><p>Text.</p>',
        '<head><noscript><meta http-equiv="refresh" content="0; url=/x"></noscript></head>Text.',
        f'<meta http-equiv="refresh" content="0; url=/x"><p>{"Text. " * 200}</p>',
    ],
)
def test_a_page_that_leads_on_later_or_without_scripts_only_is_a_page(html: str) -> None:
    assert markdown(html).startswith("Text.")


@pytest.mark.parametrize(
    ("head", "body", "title"),
    [
        ("Vectors - The Book", "<h2>Vectors</h2>", "Vectors"),
        ("Vectors - The Book", "<h2>Other</h2>", "Vectors - The Book"),
        ("Read - and write", "<h1>Read - and write</h1><h2>Read</h2>", "Read - and write"),
        ("The\n  Book", "<p>x</p>", "The Book"),
        ("", "<h2>Vectors</h2>", "Vectors"),
    ],
)
def test_a_title_without_the_name_of_the_site_is_found_in_the_headings(
    head: str, body: str, title: str
) -> None:
    assert read(f"<title>{head}</title><main>{body}<p>x</p></main>").title == title


def test_pydoc_s_links_beside_the_title_are_no_content() -> None:
    links = '<a href=".">index</a><br><a href="file:/home/me/x.py">/home/me/x.py</a>'
    row = f'<td class="title"><strong>x</strong></td><td class="extra">{links}</td>'
    html = f'<table class="heading"><tr class="heading-text decor">{row}</tr></table><p>Text.</p>'
    assert "index" not in markdown(html)
    assert "/home/me" not in markdown(html)
    assert "**x**" in markdown(html)
