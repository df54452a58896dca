"""The mistakes of a first hour: what was typed, and what is said about it. Nothing is ever sent."""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import pytest

from tests.command import Cli

_KEY = "sk-proj-0123456789abcdef"
# How the parser, and the libraries below, would have put it.
_THEIR_WORDS = re.compile(
    r"invalid value for|no such option|no such command|unexpected extra|missing (argument|option|parameter)|traceback"
    r"|is not a valid|not in the range|requires an argument|does not take a value|try '|cannot declare|expecting value"
    r"|codec can't|errno",
    re.IGNORECASE,
)


class Mistake(NamedTuple):
    """A command line in shell's words, what is said, and the advice; by default nothing was configured wrongly."""

    typed: str
    message: str
    hint: str
    code: int = 2
    stdin: bytes = b""
    env: Mapping[str, str] = MappingProxyType({})
    profile: str | None = None


NO_COMMAND = [
    Mistake("", "no command was given", "completions complete"),
    Mistake("--", "no command was given", "completions complete"),
    Mistake("''", "no command ''", "completions complete"),
    Mistake("-- hi", "no command 'hi'", "completions complete hi"),
    Mistake("complete hi -M=5", "--max-tokens must be a whole number, not '=5'", "Leave out the ="),
    Mistake("complete hi -p 'Tell me'", "no profile 'Tell me'", "needs no option", code=3),
    Mistake(
        """complete hi -d '{"prompt":"x"}'""",
        "--deployment must be the name of a deployment",
        "--deployment",
    ),
    Mistake("Hello", "no command 'Hello'", "completions complete Hello"),
    Mistake("'Once upon a time'", "no command 'Once upon a time'", 'completions complete "Once upon a time"'),
    Mistake("Tell me a story", "no command 'Tell'", 'completions complete "Tell me a story"'),
    Mistake("Tell me a story -M 5", "no command 'Tell'", 'completions complete "Tell me a story" -M 5'),
    Mistake("complet hi", "no command 'complet'", "Did you mean complete?"),
    Mistake("completes hi", "no command 'completes'", "Did you mean complete?"),
    Mistake("Complete hi", "no command 'Complete'", "Did you mean complete?"),
    Mistake("steam hi", "no command 'steam'", "Did you mean stream?"),
    Mistake("bach rows.jsonl", "no command 'bach'", "Did you mean batch?"),
    Mistake("confg list", "no command 'confg'", "Did you mean config?"),
    Mistake("emulater", "no command 'emulater'", "Did you mean emulator?"),
    Mistake("chat hello", "no command 'chat'", "completions complete hello"),
    Mistake("ask 'what is it'", "no command 'ask'", 'completions complete "what is it"'),
    Mistake("generate 'a poem'", "no command 'generate'", 'completions complete "a poem"'),
    Mistake("create a poem -t 1", "no command 'create'", 'completions complete "a poem" -t 1'),
    Mistake("chat", "no command 'chat'", 'completions complete "Once upon a time"'),
    Mistake("api completions.create -m x", "no command 'api'", "Did you mean: completions complete -m x"),
    Mistake("chat completions create -m x", "no command 'chat'", "Did you mean: completions complete -m x"),
    Mistake("completions create -m x", "no command 'completions'", "Did you mean: completions complete -m x"),
    Mistake("completion bash", "no command 'completion'", "completions --show-completion"),
    Mistake("http://localhost:8000/v1", "no command that is a URL", "--endpoint URL"),
    Mistake("login", "no command 'login'", "completions config init"),
    Mistake("init", "no command 'init'", "completions config init"),
    Mistake("keys", "no command 'keys'", "completions config key set"),
    Mistake("serve", "no command 'serve'", "completions emulator"),
    Mistake("help", "no command 'help'", "completions --help"),
    Mistake("version", "no command 'version'", "completions --version"),
    Mistake("help complete", "no command 'help'", "completions complete --help"),
    Mistake("doctor", "no command 'doctor'", "Did you mean: completions config doctor"),
    Mistake("list -q", "no command 'list'", "Did you mean: completions config list -q"),
    Mistake("set timeout", "no command 'set'", "Did you mean: completions config set timeout"),
    Mistake("export out.jsonl", "no command 'export'", "Did you mean: completions batch export out.jsonl"),
    Mistake("status out.jsonl", "no command 'status'", "Did you mean: completions batch status out.jsonl"),
    Mistake("status", "no command 'status'", "Did you mean: completions config doctor"),
    Mistake("list the planets", "no command 'list'", 'completions complete "list the planets"'),
    Mistake("\u2014help", "no command", "Type it with two hyphens: --help"),
    Mistake("config lst", "no command 'lst'", "Did you mean list?"),
    Mistake("config sett timeout 5", "no command 'sett'", "Did you mean set?"),
    Mistake("config frobnicate", "no command 'frobnicate'", "init, list"),
    Mistake("config key delte", "no command 'delte'", "Did you mean delete?"),
    Mistake("local statsu", "no command 'statsu'", "Did you mean status?"),
    Mistake(_KEY, "no command", "No option takes a key"),
]
BEFORE = [
    Mistake("-p x complete hi", "options go after the command", "completions complete -p x hi"),
    Mistake("--profile x stream hi", "options go after the command", "completions stream --profile x hi"),
    Mistake("-v complete hi", "has no option -v", "completions --version"),
    Mistake("-t 0.5 complete hi", "options go after the command", "completions complete -t 0.5 hi"),
    Mistake("-q batch rows.jsonl -o out.jsonl", "options go after", "completions batch -q rows.jsonl -o out.jsonl"),
    Mistake("-p x Hello", "options go after the command", "completions complete -p x Hello"),
    Mistake("--config f.toml config list", "options go after the command", "completions config --config f.toml list"),
    Mistake(f"--api-key {_KEY} complete hi", "has no option --api-key", "No option takes a key"),
    Mistake("-V", "has no option -V", "completions --version"),
    Mistake("--verison", "has no option --verison", "--version"),
    Mistake("--hepl", "has no option --hepl", "--help"),
]
SECRETS = [
    Mistake(f"complete hi -x {_KEY}", "is not an extra parameter", "k:=json"),
    Mistake(f"complete -f {_KEY}", "cannot be read", "path"),
    Mistake(f"complete hi --unset {_KEY}", "no such parameter", "temperature"),
    Mistake(f"batch {_KEY} -o out.jsonl", "cannot be read", "path"),
    Mistake(f"batch merge {_KEY} -o out.jsonl", "there is no", "batches"),
    Mistake(f"config get {_KEY}", "there is no key", "endpoint"),
    Mistake(f"config get profiles.{_KEY}.x", "there is no key", "endpoint"),
    Mistake(f"config use {_KEY}", "no profile", "local", code=3),
    Mistake(f"config remove {_KEY}", "no profile", "local", code=3),
    Mistake(f"config show {_KEY}", "no profile", "local", code=3),
    Mistake(f"complete hi --color={_KEY}", "--color must be", "terminals"),
    Mistake(f"complete hi -M {_KEY}", "--max-tokens must be", "--max-tokens"),
    Mistake(f"complete hi -F {_KEY}", "--format must be", "--format"),
    Mistake(f"emulator --fault {_KEY}", "", ""),
]
UNQUOTED = [
    Mistake("stream Tell me a story", "without quotes", 'completions stream "Tell me a story"'),
    Mistake("complete Tell me -M 5 a story", "without quotes", 'completions complete "Tell me a story"'),
    Mistake("complete hi \u2014max-tokens 5", "a long dash", "Type it with two hyphens: --max-tokens"),
    Mistake("complete hi \u2013t=0.5", "a long dash", "Type it with a hyphen: -t"),
    Mistake("models \u2014format json", "a long dash", "two hyphens: --format"),
    Mistake("complete hi \u2014 and so on", "without quotes", "completions complete"),
    Mistake("complete \u201cTell me a story\u201d", "curly quotes", 'completions complete "Tell me a story"'),
    Mistake("complete What is $HOME?", "without quotes", "completions complete"),
    Mistake("complete 'Summarise this:' notes.txt", "a file is read with -f", "-f notes.txt --prepend"),
    Mistake(f"complete hi {_KEY}", "without quotes", "Put the prompt in quotes"),
]
NEIGHBOURS = [
    Mistake(f"complete --api-key {_KEY} hi", "complete has no option --api-key", "COMPLETIONS_API_KEY"),
    Mistake(f"complete --api-key={_KEY} hi", "complete has no option --api-key", "COMPLETIONS_API_KEY"),
    Mistake(f"complete --key {_KEY} hi", "complete has no option --key", "COMPLETIONS_API_KEY"),
    Mistake(f"complete --token {_KEY} hi", "complete has no option --token", "COMPLETIONS_API_KEY"),
    Mistake(f"complete -k {_KEY} hi", "complete has no option -k", "COMPLETIONS_API_KEY"),
    Mistake("complete --insecure hi", "no option --insecure", "--ca-bundle"),
    Mistake("complete --json hi", "no option --json", "-F json"),
    Mistake("stream --json hi", "no option --json", "-F json"),
    Mistake("batch --json rows.jsonl -o out", "no option --json", "JSON lines"),
    Mistake("complete --stream hi", "no option --stream", "completions stream"),
    Mistake("batch --stream rows.jsonl -o out", "no option --stream", "completions stream"),
    Mistake("stream --stream hi", "no option --stream", "streams already"),
    Mistake("stream --no-stream hi", "no option --no-stream", "complete"),
    Mistake("complete --temp 1 hi", "no option --temp", "Did you mean --temperature?"),
    Mistake("complete --temprature 1 hi", "no option --temprature", "Did you mean --temperature?"),
    Mistake("complete --max_tokens 5 hi", "no option --max_tokens", "Did you mean --max-tokens?"),
    Mistake("complete --max-token 5 hi", "no option --max-token", "Did you mean --max-tokens?"),
    Mistake("complete --MAX-TOKENS 5 hi", "no option --MAX-TOKENS", "Did you mean --max-tokens?"),
    Mistake("complete --max-new-tokens 5 hi", "no option --max-new-tokens", "--max-tokens"),
    Mistake("complete --top-k 5 hi", "no option --top-k", "-x top_k:="),
    Mistake("complete --logprobs 5 hi", "no option --logprobs", "-x"),
    Mistake("complete --n 3 hi", "no option --n", "-n/--samples"),
    Mistake("complete --system 'be brief' hi", "no option --system", "no roles"),
    Mistake("complete --messages '[]' hi", "no option --messages", "no roles"),
    Mistake("complete --prompt hi", "no option --prompt", "needs no option"),
    Mistake("complete --input notes.txt", "no option --input", "needs no option"),
    Mistake("complete -i notes.txt", "no option -i", "-f FILE"),
    Mistake("complete --out x hi", "no option --out", "-o FILE"),
    Mistake("complete -O hi", "no option -O", "-o FILE"),
    Mistake("complete --url http://x hi", "no option --url", "--endpoint"),
    Mistake("complete --base-url http://x hi", "no option --base-url", "--endpoint"),
    Mistake("complete --header-file x hi", "no option --header-file", "--header"),
    Mistake("complete -X POST hi", "no option -X", "--request"),
    Mistake("complete --data '{}' hi", "no option --data", "--request"),
    Mistake("complete --local hi", "no option --local", "-p local"),
    Mistake("complete --list-models", "no option --list-models", "completions models"),
    Mistake("complete -o temperature 0.7 hi", "-o names a file, not a parameter", "-t 0.7"),
    Mistake("complete --request body.json", "not valid JSON", "--request @body.json"),
    Mistake("complete --tokens ./ids.json", "not valid JSON", "--tokens @./ids.json"),
    Mistake("complete -L hi", "no option -L", "Redirects"),
    Mistake("complete --max-time 5 hi", "no option --max-time", "--deadline"),
    Mistake("complete --retry 5 hi", "no option --retry", "--retries"),
    Mistake("complete --cacert x hi", "no option --cacert", "--ca-bundle"),
    Mistake("complete --silent hi", "no option --silent", "-q"),
    Mistake("complete --debug hi", "no option --debug", "-vv"),
    Mistake("complete --no-color hi", "no option --no-color", "--color never"),
    Mistake("complete -V hi", "no option -V", "completions --version"),
    Mistake("complete --version", "no option --version", "completions --version"),
    Mistake("score -M 5 hi", "no option -M", "-M is an option of complete, stream and batch."),
    Mistake("score --stop x hi", "no option --stop", "--stop is an option of complete, stream and batch."),
    Mistake("complete -T 1 hi", "no option -T", "Did you mean -t?"),
    Mistake("complete --engine x hi", "no option --engine", "-m/--model"),
    Mistake("complete --pack 4 hi", "no option --pack", "an option of batch"),
    Mistake("complete --ordered hi", "no option --ordered", "an option of batch"),
    Mistake("batch --dry-run rows.jsonl -o out", "no option --dry-run", "--plan"),
    Mistake("batch --workers-count 4 rows.jsonl -o out", "no option --workers-count", "completions batch --help"),
    Mistake("batch --parallel 4 rows.jsonl -o out", "no option --parallel", "-j"),
    Mistake("batch --rps 4 rows.jsonl -o out", "no option --rps", "--rpm"),
    Mistake("batch --resume rows.jsonl -o out", "no option --resume", "resumes by itself"),
    Mistake("batch --force rows.jsonl -o out", "no option --force", "--overwrite"),
    Mistake("batch --batch-size 4 rows.jsonl -o out", "no option --batch-size", "--pack"),
    Mistake("batch --max-rows 4 rows.jsonl -o out", "no option --max-rows", "--limit"),
    Mistake("config list --format text", "no option --format", "option of"),
    Mistake("complete --frobnicate hi", "no option --frobnicate", "completions complete --help"),
    Mistake("complete -z hi", "no option -z", "-0/--null"),
    Mistake("complete --echo=yes hi", "--echo takes no value", "--echo alone"),
    Mistake("complete --help=yes", "--help takes no value", "--help alone"),
    Mistake("complete hi -M", "-M needs a value: -M N", "completions complete --help"),
    Mistake("complete hi --stop", "--stop needs a value: --stop TEXT", "completions complete --help"),
    Mistake("complete hi -o", "-o needs a value: -o FILE", "completions complete --help"),
    Mistake("batch rows.jsonl -o", "-o needs a value: -o FILE", "completions batch --help"),
    Mistake("batch", "completions batch needs INPUT", "completions batch prompts.txt -o answers.jsonl"),
    *(
        Mistake(typed, "the name of a file is empty", "Is a variable of the shell unset?")
        for typed in (
            "complete hi -o ''",
            "complete -f ''",
            "score hi --choices ''",
            "batch '' -o out.jsonl",
            "batch rows.jsonl -o ''",
            "batch rows.jsonl -o out.jsonl --summary ''",
            "batch status ''",
            "batch merge '' -o out.jsonl",
        )
    ),
    Mistake("batch merge", "completions batch merge needs PART", "completions batch merge"),
    Mistake("batch a.jsonl b.jsonl -o out", "one INPUT at a time", "cat a.jsonl"),
    Mistake("batch -o out merge a.jsonl", "merge comes before the options", "completions batch merge"),
    Mistake("batch rows.jsonl", "no output was given", "-o answers.jsonl"),
    Mistake("config get", "completions config get needs KEY", "completions config get"),
    Mistake("config set timeout", "completions config set needs VALUE", "completions config set"),
    Mistake("config set timeout=60", "two words", "completions config set timeout 60"),
    Mistake(f"config set api_key {_KEY}", "there is no key 'api_key'", "config key set"),
    Mistake(f"config set key {_KEY}", "there is no key 'key'", "config key set"),
    Mistake(f"config set profiles.a.token {_KEY}", "there is no key 'profiles.a.token'", "config key set"),
    Mistake("config use", "completions config use needs NAME", "completions config use team"),
    Mistake("config use a b", "takes NAME and no more: 'b'", "completions config use --help"),
    Mistake("config init team", "takes no arguments: 'team'", "config init -p team"),
    Mistake("config list x", "takes no arguments: 'x'", "Run: completions config list"),
    Mistake("models list", "takes no arguments: 'list'", "Run: completions models"),
    Mistake(f"config key set {_KEY}", "takes no key as an argument", "--stdin"),
    Mistake("config key set hunter2-hunter2", "takes no key as an argument", "--stdin"),
    Mistake(f"config use {_KEY} {_KEY}", "takes no key", "No option takes a key"),
]
NUMBERS = [
    Mistake("complete hi -M 1,000", "--max-tokens must be a whole number, not '1,000'", "without separators: 1000"),
    Mistake("complete hi -M 1_000", "--max-tokens must be a whole number", "without separators: 1000"),
    Mistake("complete hi -M '1 000'", "--max-tokens must be a whole number", "without separators: 1000"),
    Mistake("complete hi -t 50%", "--temperature must be a number, not '50%'", "without a unit: 0.5"),
    Mistake("complete hi -M 1k", "--max-tokens must be a whole number", "without a unit: 1000"),
    Mistake("complete hi -M 1.5", "--max-tokens must be a whole number", "--max-tokens"),
    Mistake("complete hi -M many", "--max-tokens must be a whole number, not 'many'", "--max-tokens"),
    Mistake("complete hi -M -t 0.5", "--max-tokens must be a whole number", "Its value is missing"),
    Mistake("complete hi -t 0,7", "--temperature must be a number, not '0,7'", "with a point: 0.7"),
    Mistake("complete hi -t nan", "--temperature must be a number, not 'nan'", "--temperature"),
    Mistake("complete hi -t inf", "--temperature must be a number", "--temperature"),
    Mistake("complete hi -P 1e999", "--top-p must be a number", "--top-p"),
    Mistake("complete hi --seed abc", "--seed must be a whole number", "--seed"),
    Mistake("complete hi -n 0", "--samples must be a whole number from 1 to 10,000", "--samples"),
    Mistake("complete hi -n 99999999999", "--samples must be a whole number from 1 to 10,000", "--samples"),
    Mistake("complete hi --timeout 0", "--timeout must be a positive number of seconds", "--timeout"),
    Mistake("complete hi --timeout 5s", "--timeout must be a positive number of seconds", "without a unit: 5"),
    Mistake(
        "complete hi --timeout 1e10", "--timeout must be a positive number of seconds, at most 1,000,000", "--timeout"
    ),
    Mistake("complete hi --timeout none", "--timeout must be a positive number of seconds", "--timeout"),
    Mistake("complete hi --deadline nan", "--deadline must be a positive number of seconds", "--deadline"),
    Mistake("complete hi --retries -1", "--retries must be a whole number from 0 to 10,000", "--retries"),
    Mistake("complete hi --retries 1e9", "--retries must be a whole number from 0 to 10,000", "--retries"),
    Mistake("complete hi --max-wait -5", "--max-wait must be a number of seconds from 0", "--max-wait"),
    Mistake("batch rows.jsonl -o o --rpm nan", "--rpm must be a number from 0.001", "--rpm"),
    Mistake("batch rows.jsonl -o o --rpm 0", "--rpm must be a number from 0.001", "--rpm"),
    Mistake("batch rows.jsonl -o o --tpm inf", "--tpm must be a number from 0.001", "--tpm"),
    Mistake("batch rows.jsonl -o o --tpm 10k", "--tpm must be a number from 0.001", "without a unit: 10000"),
    Mistake("batch rows.jsonl -o o --max-cost nan", "--max-cost must be a number from 0", "--max-cost"),
    Mistake("batch rows.jsonl -o o --price-in -1 --price-out 1", "--price-in must be a number from 0", "--price-in"),
    Mistake("batch rows.jsonl -o o -j 0", "-j must be auto or a whole number from 1 to 10,000", "auto"),
    Mistake("batch rows.jsonl -o o -j 99999999", "-j must be auto or a whole number from 1 to 10,000", "auto"),
    Mistake("batch rows.jsonl -o o -j lots", "-j must be auto or a whole number", "auto"),
    Mistake("batch rows.jsonl -o o --pack 0", "--pack must be a whole number from 1", "--pack"),
    Mistake("batch rows.jsonl -o o --limit -1", "--limit must be a whole number from 0", "--limit"),
    Mistake("batch rows.jsonl -o o --limit 1,000", "--limit must be a whole number", "without separators: 1000"),
    Mistake("batch rows.jsonl -o o --max-errors 0", "--max-errors must be a whole number from 1", "5%"),
    Mistake("batch rows.jsonl -o o --max-errors 500%", "--max-errors must be a whole number from 1", "5%"),
    Mistake("batch rows.jsonl -o o --send-fields 'a\nb'", "--send-fields is a list of names, not 'a\\nb'", "seed,stop"),
    Mistake("batch rows.jsonl -o o --keep-columns 'a\rb'", "--keep-columns is a list of names", "seed,stop"),
    Mistake("batch rows.jsonl -o o --shard 4/4", "--shard '4/4' is not I/N", "--shard 0/4"),
    Mistake("batch rows.jsonl -o o --shard \u0660/\u0662", "is not I/N", "--shard 0/4"),
    Mistake("batch rows.jsonl -o o --max-cost 5", "--max-cost needs --price-in and --price-out", "million"),
    Mistake("emulator --port 99999", "--port must be a whole number from 0 to 65,535", "--port"),
    Mistake("emulator --latency nan", "--latency must be a number of seconds from 0", "--latency"),
    Mistake(
        "emulator --behaviour real", "--behaviour must be reference, managed or foundry, not 'real'", "--behaviour"
    ),
]
WORDS = [
    Mistake("complete hi -F xml", "--format must be text, json or jsonl, not 'xml'", "--format"),
    Mistake("complete hi --auth sekrit123", "--auth must be key, entra or none", "COMPLETIONS_API_KEY"),
    Mistake(f"complete hi --auth {_KEY}", "--auth must be key, entra or none", "COMPLETIONS_API_KEY"),
    Mistake("complete hi --color sometimes", "--color must be auto, always or never, not 'sometimes'", "terminals"),
    Mistake("complete hi --extra-parameters maybe", "--extra-parameters must be pass-through", "--extra-parameters"),
    Mistake(
        "complete hi -d $'blue\\r\\nx: 1'".replace("$'", "'").replace("\\r\\n", "\r\n"),
        "--deployment must be",
        "--deployment",
    ),
    Mistake("complete hi -H nocolon", "a header must be written as 'Name: value'", "-H 'x-team: blue'"),
    Mistake("complete hi -x novalue", "is not an extra parameter", "k:=json"),
    Mistake("complete hi -x max_tokens:=5", "max_tokens is not an extra parameter", "--max-tokens"),
    Mistake("complete hi -x k:={", "not valid JSON", "quotes"),
    Mistake("complete hi --unset tempature", "no such parameter", "temperature"),
    Mistake("complete --tokens '[1,'", "not valid JSON", "quotes"),
    Mistake("complete --tokens '[\"a\"]'", "--tokens contains text", "[1,2,3]"),
    Mistake("complete hi --endpoint ftp://x", "only https and http are supported", "https://", code=3),
    Mistake("complete hi --endpoint https://me:pw@x.example", "user name or password", "keyring", code=3),
    Mistake("complete hi -p nowhere", "no profile 'nowhere'", "local", code=3),
    Mistake(f"complete hi -p {_KEY}", "no profile", "local", code=3),
    Mistake("complete hi --config nowhere.toml", "no such file", "config init", code=3),
    Mistake("complete hi -o no/such/folder/x", "no/such/folder", "", code=16),
]
PROMPTS = [
    Mistake("complete", "standard input is empty", "Nothing was sent"),
    Mistake("complete", "standard input is empty", "Nothing was sent", stdin=b"\n"),
    Mistake("complete", "standard input is empty", "Nothing was sent", stdin=b"\r\n"),
    Mistake("complete --append 'Summary:'", "standard input is empty", "Nothing was sent"),
    Mistake("stream -", "standard input is empty", "Nothing was sent"),
    Mistake("complete -f empty.txt", "empty.txt is empty", "Nothing was sent"),
    Mistake("complete -f newline.txt", "newline.txt is empty", "Nothing was sent"),
    Mistake("complete --lines", "standard input is empty", "Nothing was sent"),
    Mistake("complete -f nowhere.txt", "nowhere.txt cannot be read", "path"),
    Mistake("complete -f .", ". cannot be read", "path"),
    Mistake("complete hi -f notes.txt", "more than one place: PROMPT, --file", "--prepend"),
    Mistake("complete -f latin.txt", "latin.txt is not UTF-8: byte 1", "iconv"),
    Mistake("complete", "standard input is not UTF-8: byte 1", "iconv", stdin=b"h\xe9"),
    Mistake('complete --request \'{"promt":"hi"}\'', "has no prompt, but 'promt'", "Call it prompt"),
    Mistake("complete --request '{\"messages\":[{}]}'", "is a chat", "prompt"),
    Mistake('complete --request \'{"input":"hi"}\'', "has no prompt, but 'input'", "Call it prompt"),
    Mistake("complete --request hi", "not valid JSON", "quotes"),
    Mistake("complete --request '[]'", "--request is not a JSON object", "prompt"),
    Mistake("complete --request @empty.txt", "empty.txt is empty", "Nothing was sent"),
    Mistake('complete --request \'{"prompt":"x","max_tokens":"5"}\'', "max_tokens must be an integer", "Correct"),
    Mistake("complete -E '\\q'", "unknown escape", "\\n"),
    Mistake("complete hi --fail-on lenght", "no finish reason is called 'lenght'", "Did you mean length?"),
    Mistake("stream hi --fail-on Length", "no finish reason is called 'Length'", "Did you mean length?"),
    Mistake("complete hi --fail-on length,contentfilter", "is called 'contentfilter'", "Did you mean content_filter?"),
    Mistake("complete hi --fail-on ignore", "is called 'ignore'", "Did you mean ignored?"),
    Mistake("complete hi --fail-on ,", "--fail-on names no finish reason", "--fail-on length,content_filter"),
    # JSON in a file has nothing to do with the quotes of a shell.
    Mistake("score hi --choices broken.json", "broken.json: not valid JSON", "Correct it in broken.json"),
    Mistake("complete --request @broken.json", "broken.json: not valid JSON", "Correct it in broken.json"),
    Mistake("complete --tokens @broken.json", "broken.json: not valid JSON", "Correct it in broken.json"),
    Mistake("complete --prompt-json @broken.json", "broken.json: not valid JSON", "Correct it in broken.json"),
    Mistake("complete hi -x k:=@broken.json", "broken.json: not valid JSON", "Correct it in broken.json"),
    Mistake("complete --request -", "standard input: not valid JSON", "Correct it in standard input", stdin=b"{"),
    Mistake("complete --request '{'", "--request: not valid JSON", "single quotes"),
    Mistake("score hi --choices numbers.json", "numbers.json must be an array of texts", '[" yes", " no"]'),
    Mistake("batch export rows.jsonl", "no file for the table", "-o"),
    Mistake("batch export rows.jsonl -o table", "does not say what kind of table", "-F csv"),
    Mistake("batch export rows.jsonl -o - -F xlsx", "--format must be csv, tsv, parquet or jsonl", "leave it out"),
    Mistake(
        "batch export rows.jsonl -o - -F jsnol", "--format must be csv, tsv, parquet or jsonl", "Did you mean 'json"
    ),
    Mistake("batch export rows.jsonl -o - --only fail", "--only must be ok or failed, not 'fail'", "'failed'"),
    Mistake("batch status rows.jsonl -F yaml", "--format must be text or json, not 'yaml'", "leave it out"),
]
_PLAIN = '[profiles.a]\nendpoint = "https://a.example"\n'
_POOL = _PLAIN + '[profiles.all]\nmembers = ["a"]\n'
FILES = [
    Mistake("complete hi", "[profiles.a] appears twice", "", code=3, profile=_PLAIN + _PLAIN),
    Mistake(
        "complete hi", "a key that appears twice", "Delete one", code=3, profile=_PLAIN + 'endpoint = "https://b"\n'
    ),
    Mistake("complete hi", "neither text in quotes", "quotes", code=3, profile="[profiles.a]\nendpoint = https://a\n"),
    Mistake(
        "complete hi", "without its closing quote", "quote", code=3, profile='[profiles.a]\nendpoint = "https://a\n'
    ),
    Mistake(
        "complete hi",
        "temperature must be a number in [profiles.a.params]",
        "config edit",
        code=3,
        profile=_PLAIN + "[profiles.a.params]\ntemperature = nan\n",
    ),
    Mistake(
        "complete hi",
        "timeout must be a positive number of seconds",
        "config edit",
        code=3,
        profile=_PLAIN + "timeout = inf\n",
    ),
    Mistake(
        "complete hi",
        "retries must be a whole number from 0",
        "config edit",
        code=3,
        profile=_PLAIN + "retries = 99999999\n",
    ),
    Mistake("complete hi", "unknown key 'temperature'", "params", code=3, profile=_PLAIN + "temperature = 1\n"),
    *(
        Mistake("complete hi", f"unknown key '{key}'", hint, code=3, profile=_PLAIN + f"{key} = 1\n")
        for key, hint in {
            "max_tokens": "[profiles.NAME.params]: max_tokens",
            "stop": "[profiles.NAME.params]: stop",
            "token": "config key set",
            "default_profile": "at the top of the file",
            "base_url": "Did you mean 'endpoint'?",
            "url": "Did you mean 'endpoint'?",
            "stream": "Valid here: endpoint",
        }.items()
    ),
    Mistake("complete hi", "unknown key 'endpoint'", "[profiles.NAME]", code=3, profile='endpoint = "https://a"\n'),
    Mistake("complete hi", "unknown key 'api_key'", "config key set", code=3, profile=_PLAIN + f'api_key = "{_KEY}"\n'),
    Mistake(
        "complete hi", "unknown key 'endpont'", "endpoint", code=3, profile='[profiles.a]\nendpont = "https://a"\n'
    ),
    Mistake(
        "complete hi", "deployment must be", "config edit", code=3, profile=_PLAIN + 'deployment = "blue\\r\\nx: 1"\n'
    ),
    Mistake(
        "complete hi",
        "user name or password",
        "keyring",
        code=3,
        profile='[profiles.a]\nendpoint = "https://me:pw@a.example"\n',
    ),
    Mistake("complete hi -p b", "no profile 'b'", "a", code=3, profile=_PLAIN),
    Mistake("config set temperature 0.2", "no key 'temperature'", "params.temperature", profile=_PLAIN),
    Mistake("config set params.temprature 0.2", "no parameter 'temprature'", "temperature", profile=_PLAIN),
    Mistake("config set timeout soon", "timeout must be a positive number", "", profile=_PLAIN),
    Mistake("config set endpoint https://me:pw@a.example", "user name or password", "keyring", code=3, profile=_PLAIN),
    Mistake("config use b", "no profile 'b'", "a", code=3, profile=_PLAIN),
    Mistake("config key set --stdin", "no usable keyring", "--to-file", code=3, stdin=b"k", profile=_PLAIN),
    *(
        Mistake(
            f"config key set --stdin{to_file}", f"{reason}, so a stored key", hint, stdin=b"k", profile=_PLAIN + says
        )
        for to_file in ("", " --to-file")
        for says, reason, hint in (
            ('auth = "none"\n', 'says auth = "none"', "config set -p a auth key"),
            ('headers = { Authorization = "Bearer k" }\n', "a header of its own (authorization)", "config edit"),
            ('headers = { api-key = "k" }\n', "a header of its own (api-key)", "config edit"),
            ('auth = "entra"\n', "as it has no tenant_id and client_id", "config set -p a tenant_id"),
            ('auth = "entra"\nclient_id = "c"\n', "as it has no tenant_id and client_id", "config set -p a tenant_id"),
            ('key_command = ["pass"]\n', "gets its key from key_command", "config unset -p a key_command"),
        )
    ),
    Mistake(
        "config key set --stdin",
        "has its key in a file (a.key), so a stored key",
        "config key delete -p a",
        stdin=b"k",
        profile=_PLAIN + 'key_file = "a.key"\n',
    ),
    Mistake(
        "config key set --stdin --to-file --endpoint https://b.example",
        "is for the endpoint of its profile",
        "Leave out --endpoint",
        stdin=b"k",
        profile=_PLAIN,
    ),
    # A key file is for the endpoint of its profile alone.
    *(
        Mistake(
            f"{typed} --endpoint https://b.example",
            "no key for a@https://b.example",
            "config init -p NAME",
            code=3,
            profile=_PLAIN + says,
        )
        for typed in (
            "complete hi",
            "complete hi --profile a",
            "stream hi",
            "score hi -c x",
            "models",
        )
        for says in ("", 'key_file = "a.key"\n', 'key_command = ["pass"]\n')
    ),
    Mistake(
        "config set -p all deployment x", "deployment cannot be used with members", "each member", code=3, profile=_POOL
    ),
    Mistake(
        "config set -p all members a,b", "that would make the file invalid: the member 'b'", "a", code=3, profile=_POOL
    ),
    Mistake("config set -p a members all", "that would make the file invalid", "each member", code=3, profile=_POOL),
    Mistake("config remove a", "a is a member of [profiles.all]", "config remove all", code=3, profile=_POOL),
    Mistake(
        "config remove a",
        "a is a member of [profiles.all]",
        """completions config set -p all members '["local"]'""",
        code=3,
        profile=_POOL.replace('["a"]', '["a", "local"]'),
    ),
]
ENVIRONMENT = [
    Mistake("complete hi", "no endpoint is configured", "config init", code=3, env={"COMPLETIONS_ENDPOINT": ""}),
    Mistake("complete hi", "no key for", "COMPLETIONS_API_KEY", code=3, env={"COMPLETIONS_API_KEY": ""}),
    Mistake(
        "complete hi", "COMPLETIONS_TIMEOUT must be a positive number", "", code=3, env={"COMPLETIONS_TIMEOUT": "soon"}
    ),
    Mistake(
        "complete hi", "COMPLETIONS_RETRIES must be a whole number", "", code=3, env={"COMPLETIONS_RETRIES": "1,000"}
    ),
    Mistake("complete hi", "COMPLETIONS_DEPLOYMENT must be", "", code=3, env={"COMPLETIONS_DEPLOYMENT": "b\nx: 1"}),
    Mistake("complete hi", "no profile 'x'", "", code=3, env={"COMPLETIONS_PROFILE": "x"}),
    Mistake(
        "complete hi",
        "cannot be read",
        "COMPLETIONS_API_KEY_FILE",
        code=3,
        env={"COMPLETIONS_API_KEY": "", "COMPLETIONS_API_KEY_FILE": "/nowhere"},
    ),
    Mistake("complete hi -p a", "is for the endpoint in COMPLETIONS_ENDPOINT", "--to-file", code=3, profile=_PLAIN),
]
ALL = [*NO_COMMAND, *BEFORE, *SECRETS, *UNQUOTED, *NEIGHBOURS, *NUMBERS, *WORDS, *PROMPTS, *FILES, *ENVIRONMENT]


@pytest.fixture
def here(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Give a runner in a folder with some files, with an endpoint where nobody listens."""
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "notes.txt": b"notes\n",
        "empty.txt": b"",
        "newline.txt": b"\n",
        "latin.txt": b"h\xe9",
        "rows.jsonl": b'{"prompt":"a"}\n',
        "broken.json": b'["a", "b"\n',
        "numbers.json": b"[1, 2]",
    }.items():
        (tmp_path / name).write_bytes(content)
    return cli


@pytest.mark.parametrize("mistake", ALL, ids=[f"{number}-{mistake.typed[:40]}" for number, mistake in enumerate(ALL)])
def test_a_mistake_is_explained(mistake: Mistake, here: Cli) -> None:
    if mistake.profile is None:
        here.service("http://127.0.0.1:9")
    else:
        here.profile(mistake.profile)
        if " -p a" in mistake.typed:
            here.service("http://127.0.0.1:9")
    result = here.run(*shlex.split(mistake.typed), stdin=mistake.stdin, env=dict(mistake.env))
    error, hint = result.stderr.splitlines()[-2:]
    assert result.code == mistake.code
    assert error.startswith("error: ")
    assert mistake.message in error
    assert hint.startswith("hint: ")
    assert mistake.hint in hint
    assert not _THEIR_WORDS.search(error + hint)
    assert not {_KEY, "sekrit123", "me:pw", "hunter2-hunter2"} & set(re.split(r"[\s'\"@/]", error + hint))
    assert result.stdout == b""


def test_the_table_is_long_enough_to_be_a_promise() -> None:
    assert len(ALL) >= 200


@pytest.mark.parametrize("typed", ["Hello", "complete --api-key x hi", "complete hi -n 0", "complete"])
def test_mistakes_are_json_where_json_was_asked_for(typed: str, here: Cli) -> None:
    here.service("http://127.0.0.1:9").env["COMPLETIONS_FORMAT"] = "json"
    error = here.run(*shlex.split(typed)).error()
    assert (error["kind"], error["exit_code"], bool(error["hint"])) == ("usage", 2, True)
