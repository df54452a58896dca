"""HTML and XML in which an error is dressed, without their tags."""

import re

_START = re.compile(r"\s*<[a-z!?/]", re.IGNORECASE)
_HTML = re.compile(
    r"\s*(<\?xml[^>]*>\s*)?<(!doctype\s+html|html|head|body|title|h\d|p|div|center|meta|style|script|link|span|b|br|hr|pre|table|ul|font)(?!\w)",
    re.IGNORECASE,
)
_ELEMENT = re.compile(r"<([A-Za-z][\w:.-]*)[^<>]*>([^<]+)</\1\s*>")
# A page that says more than this before it says what is wrong does not say it.
_MOST = 64 * 1024


def is_markup(text: str) -> bool:
    """Return whether a text begins with a tag."""
    return bool(_START.match(text))


def elements(text: str) -> dict[str, str]:
    """Return the texts of XML by the names of their elements; nothing for HTML."""
    if _HTML.match(text):
        return {}
    found: dict[str, str] = {}
    for name, words in _ELEMENT.findall(text[:_MOST]):
        found.setdefault(name.rpartition(":")[2], words.strip())
    return found


def without_tags(text: str) -> str:
    """Put a line break where a tag stands; what is inside `script` and `style` is dropped."""
    first, *parts = text[:_MOST].split("<")
    shown = [first]
    inside = ""
    for part in parts:
        tag, closed, rest = part.partition(">")
        name = re.match(r"/?\w*", tag)[0].lower()  # type: ignore[index] # matches the empty string too
        if inside:
            inside = "" if name == "/" + inside else inside
        elif name in ("script", "style"):
            inside = name
        if closed and not inside:
            shown.append(rest)
    return "\n".join(shown)
