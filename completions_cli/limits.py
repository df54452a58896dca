"""How much is taken of what others decide: servers, files, programs. What is beyond is refused, and never held.

Each limit lies far above what is of use, and below what a machine can hold. Numbers that users type have their bounds
in `settings.numbers`. `tests/test_bounds.py` tries one above each limit.
"""

KIB = 1024
MIB = 1024 * 1024

# Answers, after decompression.
BODY_BYTES = 256 * MIB
EVENT_BYTES = 64 * MIB
MODEL_LIST_BYTES = 64 * MIB
ERROR_BODY_BYTES = MIB  # what comes after them is left unread
SIGN_IN_BYTES = MIB
PROXY_HEAD_BYTES = 8 * KIB
DECOMPRESSED_STEP_BYTES = 256 * KIB  # at a time
FIELD_CHARACTERS = 8 * MIB  # of all fields of an answer but its text
SEARCHED_CHARACTERS = 256 * KIB  # of a text that holds a key: a longer one is hidden whole, at once

URL_CHARACTERS = 8 * KIB  # typed, configured, or in a Location

NAME_CHARACTERS = 200  # of a model or a finish reason where it is counted or told; OUTPUT has all of it
NAMES = 300  # that are told apart

# Figures in answers.
TOKEN_COUNT = 2**63 - 1  # what floats and printing can hold; one of more counts as none
WAIT_SECONDS = 99_999_999.0  # that a server asks for: three years
TOKEN_LIFE_SECONDS = 86_400.0
CHOICES = 2**31  # of a prompt, in plans and budgets

# Keys.
KEY_SOURCE_BYTES = 64 * KIB  # of a file, a command's output, or stdin: a device must not be read to its end
KEY_CHARACTERS = 32 * KIB  # servers refuse longer headers
KEYRING_PARTS = 100

# Files.
PROFILE_FILE_BYTES = 16 * MIB
PROFILE_FILE_DEPTH = 100
PROMPT_BYTES = 256 * MIB  # of a file or stdin
CERTIFICATE_BYTES = 16 * MIB
RUN_FILE_BYTES = 64 * MIB  # parameters may hold a long prompt or schema
LOCK_FILE_BYTES = 64 * KIB

# A package index. So many bytes must come within so many seconds, in which pip has given up on a silent one.
PULL_BYTES = 64 * KIB
PULL_SECONDS = 120.0
PIP_MEMORY_BYTES = 1024 * MIB  # its addresses, not what it uses of them

# Rows of a batch.
ROW_BYTES = 16 * MIB
ROW_CHARACTERS = 4 * ROW_BYTES  # of a row in a JSON array, before it is known where it ends
IDS_COMPARED = 100_000  # to warn of those that appear twice
ROW_NUMBER = 2**53 - 1  # beyond it JSON numbers of other tools are not exact
OUTPUT_LINE_BYTES = 1024 * MIB
