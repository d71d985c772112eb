#!/usr/bin/env python3
"""Can what the program wrote do anything to whoever reads it? check_output.py FORMAT FILE...

Whatever the format, a file must be UTF-8 without control characters, marks of direction and what is
not seen. Exit status: 0 it cannot, 1 it can (an assertion says what).
"""
import base64
import hashlib
import html.parser
import json
import re
import sys
import unicodedata

# Not seen either (Default_Ignorable_Code_Point), though in none of the categories.
UNSEEN = {0x034f, 0x115f, 0x1160, 0x17b4, 0x17b5, 0x3164, 0xffa0, *range(0xfe00, 0xfe10)}


def check_characters(text):
    for at, character in enumerate(text):
        harmless = character == "\n" or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Cn", "Zl", "Zp")
        assert harmless and ord(character) not in UNSEEN, ascii(text[max(0, at - 40):at + 10])


def check_text(text):
    """Lines are the report's own."""
    for line in text.split("\n"):
        assert not line.startswith("Verdict"), line


class Page(html.parser.HTMLParser):
    """Nothing that could be fetched or run; all that is opened is closed."""

    def __init__(self):
        super().__init__()
        self.stack = []
        self.ids = set()

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "link", "img", "iframe", "object", "embed", "base"), tag
        for name, value in attrs:
            assert not name.startswith("on") and name not in ("src", "style"), name
            assert name != "href" or re.match(r"#finding-\d+$", value), value
            assert name != "id" or value not in self.ids, value
            if name == "id":
                self.ids.add(value)
        if tag not in ("meta", "rect", "path"):
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        count = len(self.stack)
        self.handle_starttag(tag, attrs)
        del self.stack[count:]

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, tag

    def handle_comment(self, data):
        assert False, data


def check_html(text):
    """And the policy lets in just this style."""
    page = Page()
    page.feed(text)
    page.close()
    assert not page.stack, page.stack
    style = re.search(r"<style>(.*?)</style>", text, re.S).group(1)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert "default-src 'none'; style-src 'sha256-%s'" % digest in text
    assert "url(http" not in style and "@import" not in style


def check_markdown(text):
    """Outside of code, and all names are in code, there is nothing but the report's own few marks."""
    fenced = False
    for line in text.split("\n"):
        if line == "```":
            fenced = not fenced
            continue
        assert not (fenced and "`" in line), line
        if fenced or line in ("<details>", "</details>"):
            continue
        assert line.count("`") % 2 == 0, line
        line = re.sub(r"`[^`]*`", "", line)
        line = re.sub(r"\\[^\w\s]", "", line)  # escaped punctuation
        line = re.sub(r"^(### |- |<summary>Threads of Python: \d+</summary>$|\*\*[^*]*\*\*$)", "", line)
        assert not re.search(r"[<>`*_\[\]|@#$~&!{}\\]", line), line
    assert not fenced


def check_json(text):
    json.loads(text)


def check_lines_of_json(text):
    for line in text.splitlines():
        json.loads(line)


def check_dot(text):
    string = r'"([^"\\]|\\.)*"'
    attribute = r"(label|fontname|shape|tooltip)=%s|(peripheries|penwidth)=\d|(font)?color=red|(shape)=box" % string
    statement = r"  (label=%s|(node|edge|n\d+|n\d+ -> n\d+) \[((%s) ?)*\]);" % (string, attribute)
    lines = text.split("\n")
    assert lines[0] == "digraph finding {" and lines[-2:] == ["}", ""], lines
    for line in lines[1:-2]:
        assert re.fullmatch(statement, line), line


def check_folded(text):
    """SIGNATURE;TYPE;EDGE;TYPE ... BYTES"""
    for line in text.splitlines():
        match = re.fullmatch(r"([0-9a-f]{8};[^;]*(;[^;]*;[^;]*)*) \d+", line)
        assert match, line


CHECKS = {"text": check_text, "html": check_html, "markdown": check_markdown, "json": check_json, "dot": check_dot,
          "folded": check_folded, "graph": check_lines_of_json, "words": lambda text: None}


def main():
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8", newline="\n") as file:
            text = file.read()
        check_characters(text)
        CHECKS[sys.argv[1]](text)


main()
