"""Pairs of a prompt and a continuation, for comparisons of log-likelihoods."""

_PROMPTS = (
    "The capital of France is",
    "Once upon a time, there was",
    "def add(a, b):\n    return",
    "Q: What is 7 times 6?\nA:",
    "Der schnelle braune Fuchs springt über",
    "東京は日本の",
    "Привет, как",
    "I love 🦄 and",
    "x" * 40,
    "A café in Zürich serves",
)
_CONTINUATIONS = (
    " Paris",
    " a little girl who lived near the woods.",
    "Paris",
    " 42",
    "\n\n",
    "  two  spaces ",
    " den faulen Hund",
    "首都です。",
    " дела?",
    " 🏳️‍🌈!",
    "\t\tx = 1\n",
    " naïve coöperation — “quoted”",
    " e\u0301 combined",  # an accent on its own
    " 👩🏽‍🚀🚀",
    " zqxj vwkp",
    ",",
    "s",
    " a + b",
)
# The boundary within a word, white space, an emoji of several characters, a number, a line end.
_SPLIT = (
    ("The quick brown fo", "x jumps"),
    ("The quick brown ", "fox jumps"),
    ("The quick brown", " fox jumps"),
    ("The quick brown  ", " fox"),
    ("line one\n", "line two"),
    ("line one", "\nline two"),
    ("line one\n", "\nline two"),
    ("if x:\n    ", "    indented"),  # a token of white space that begins in the prompt
    ("In the year 19", "84 it rained"),
    ("the 🏳️", "\u200d🌈 flag"),
    ("🦄", "🦄🦄"),
    ("a\u0301", "\u0301b"),
    ("un", "believable"),
    ("ﬀ", "ﬁ ligatures"),
    ("hello\u00a0", "\u00a0world"),
    ("नम", "स्ते दुनिया"),
    ("سلا", "م عليكم"),
    ("한국", "어 문장"),
)
_STORY = "The old house stood at the end of the road, and nobody had lived there since the winter of the great storm. "
LONG = tuple(
    (_STORY * 42 + start, end)
    for start, end in (("But", " one day"), ("I", " saw 🦄"), ("", "Nobody "), ("Some", "one"))
)

PAIRS: tuple[tuple[str, str], ...] = (
    *((prompt, continuation) for prompt in _PROMPTS for continuation in _CONTINUATIONS),
    *_SPLIT,
    *LONG,
)
