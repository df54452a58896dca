"""What one short call costs, against a floor and peers. Needs nginx and curl."""

import argparse

import measure
from measure import Contender
from service import nginx

_POST = "import httpx; httpx.post('{url}', json={{'prompt': 'P', 'max_tokens': 4}}, headers={{'api-key': 'k'}})"
_OPENAI = (
    "import openai; c = openai.OpenAI(base_url='{base}', api_key='k');"
    "print(c.completions.create(model='m', prompt='P', max_tokens=4).choices[0].text)"
)


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    own = measure.ours()
    with nginx() as base:
        found = measure.compare(calls(str(own / "python"), str(own / "completions"), base), rounds)
        print(measure.table(found, "httpx.post", "httpie"), end="\n\n")
    found = measure.compare(starts(str(own / "python"), str(own / "completions")), rounds)
    print(measure.table(found, "import typer"))


def calls(python: str, completions: str, base: str) -> list[Contender]:
    """List the ways to send one request."""
    httpie = str(measure.environment("httpie", "httpie") / "http")
    openai = str(measure.environment("openai", "openai") / "python")
    url = f"{base}/completions"
    return [
        Contender("curl", ["curl", "--silent", "--json", '{"prompt":"P","max_tokens":4}', url]),
        Contender("httpx.post", [python, "-c", _POST.format(url=url)]),
        Contender(
            "completions complete", [completions, "complete", "P", "-M", "4", "--endpoint", base], env=measure.KEY
        ),
        Contender("httpie", [httpie, "--ignore-stdin", "POST", url, "prompt=P"]),
        Contender("openai package", [openai, "-c", _OPENAI.format(base=base)]),
    ]


def starts(python: str, completions: str) -> list[Contender]:
    """List what sends nothing."""
    tab = {"_COMPLETIONS_COMPLETE": "complete_bash", "COMP_WORDS": "completions complete -p l", "COMP_CWORD": "3"}
    return [
        Contender("python -c pass", [python, "-c", "pass"]),
        Contender("import typer", [python, "-c", "import typer"]),
        Contender("completions --version", [completions, "--version"]),
        Contender("tab completion of a profile", [completions], tab),
        Contender("completions --help", [completions, "--help"]),
        Contender("completions complete --help", [completions, "complete", "--help"]),
    ]


if __name__ == "__main__":
    main()
