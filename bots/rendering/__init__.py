"""Turns a reply, which is untrusted Markdown, into messages that a platform can show.

Reading order: `blocks` (the values), `markdown` and `extras` (text -> blocks), `links` (which are
shown as such, and how), `tables` (what a table becomes), `dialect` (what platforms do differently),
`prose` and `parts` (writing, and cutting to messages), `compose` (all of it put together).

`unfinished` and `growing` render an answer while it is being written. For their sake nothing here
looks ahead: what a text begins with looks the same whatever comes after it.

Nothing here knows a platform; the `render` module of each adapter brings its own dialect.
"""
