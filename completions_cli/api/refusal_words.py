"""Words by which refusals show what they are about, whoever sends them."""

import re

RETIRED = re.compile(
    r"\b(decommissioned|retired|end[- ]of[- ]life|sunset|shut down|discontinued|no longer (available|supported|served)|"
    r"(has|have) been (removed|deprecated))\b",
    re.IGNORECASE,
)
# Some refuse a key with 400. "No connected db" is what LiteLLM says of a key that it does not know.
OF_KEYS = re.compile(
    r"\b(api|access|subscription|virtual|auth\w*)[-_ ]?(key|token)\b.{0,40}\b(not valid|invalid|expired|unknown|"
    r"missing|not found|malformed)|\b(invalid|unknown|expired|malformed|missing|wrong|incorrect) "
    r"(api|access|virtual|auth\w*)[-_ ]?(key|token)\b|no connected db",
    re.IGNORECASE,
)
OF_GATEWAYS = re.compile(
    r"upstream|no healthy|gateway|origin (server|is)|bad host|no route|no available server|no server is available|"
    r"service backend|cloudflare|web server (is|returned)|^error code: 1\d{3}$",
    re.IGNORECASE,
)
OF_LENGTH = re.compile(
    r"context.{0,3}(length|size|window)|tokens_limit|max(imum)? length of|body too large for|"
    r"max(imum)?[_ ]?(input|context|sequence|model)[_ ]?(length|len|tokens)\b.{0,60}exceed|"
    r"exceeds?.{0,40}(token|context|length|sequence)|"
    r"too many (input |prompt )?tokens|(prompt|input|sequence|request).{0,30}(is |are )?too (long|large)|"
    r"must have less than \d+ tokens|tokens.{0,20}must be <=?|"
    r"(prompt|input).{0,3}(length|tokens?\b).{0,40}(greater|longer|larger|more) than"
)
# As llama.cpp's server, OpenAI and those that check with pydantic or a JSON schema say it of a text.
NOT_TEXT = re.compile(
    r"but is string|got a string|should be a valid (integer|number|boolean|list|dict\w*)|"
    r"is not of type '(integer|number|boolean|array|object)'"
)
OF_QUOTA = re.compile(r"\bquota\b", re.IGNORECASE)
NO_ACCESS = re.compile(
    r"access to (this |the )?model\b|\bmodel\b.{0,80}\b(is|are) (restricted|gated)|"
    r"not (allowed|permitted|authorized|entitled) to (access|use|call) .{0,20}\bmodel\b",
    re.IGNORECASE,
)
# Of servers that speak TLS to a request that does not.
PLAIN_HTTP = re.compile(
    r"http request (was sent )?to (an )?https|speaking plain http|requires? (tls|ssl|https)\b", re.IGNORECASE
)
OF_FILTERS = re.compile(
    r"content (management )?policy|content safety|\bguardrail|\bmoderation\b|flagged (by|as|for)|"
    r"violates? our usage polic",
    re.IGNORECASE,
)
FILTER_CODE = re.compile(r"content_?(filter|policy)|responsible_?ai|guardrail|moderation", re.IGNORECASE)
NO_MONEY = re.compile(
    r"insufficient\W+(\w+\W+)?(quota|balance|credit|fund)|plan and billing|out of credits|credit balance|billing|"
    r"exceeded your (current|monthly) quota|budget has been exceeded|exceeded budget|payment|余额不足|欠费",
    re.IGNORECASE,
)
# Words that say so whatever the status is.
SPENT = re.compile(
    r"credit balance is|insufficient\W+(balance|credit|fund)|out of credits|budget has been exceeded|余额不足|欠费",
    re.IGNORECASE,
)
NO_MONEY_CODE = re.compile(r"insufficient|billing|payment|arrear|exceeded_?budget|budget_?exceeded", re.IGNORECASE)
