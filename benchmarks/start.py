"""What one short call costs, against a floor and peers: `python benchmarks/start.py [--rounds N]`."""

import argparse

import measure
from measure import Contender
from service import document, serving

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
    python, completions = str(own / "python"), str(own / "completions")
    httpie = str(measure.environment("httpie", "httpie") / "http")
    openai = str(measure.environment("openai", "openai") / "python")
    with serving(document()) as url:
        base = f"{url}/v1"
        calls = [
            Contender("httpx.post (floor)", [python, "-c", _POST.format(url=f"{base}/completions")]),
            Contender("completions complete", [completions, "complete", "P", "-M", "4", "--endpoint", base], _key()),
            Contender("httpie", [httpie, "--ignore-stdin", "POST", f"{base}/completions", "prompt=P"]),
            Contender("openai package", [openai, "-c", _OPENAI.format(base=base)]),
        ]
        print(measure.table(measure.compare(calls, rounds), calls[0].name), end="\n\n")
    tab = {"_COMPLETIONS_COMPLETE": "complete_bash", "COMP_WORDS": "completions complete -p l", "COMP_CWORD": "3"}
    starts = [
        Contender("import typer (floor)", [python, "-c", "import typer"]),
        Contender("completions --version", [completions, "--version"]),
        Contender("tab completion of a profile", [completions], tab),
        Contender("completions --help", [completions, "--help"]),
    ]
    print(measure.table(measure.compare(starts, rounds), starts[0].name))


def _key() -> dict[str, str]:
    return {"COMPLETIONS_API_KEY": "k" * 32}


if __name__ == "__main__":
    main()
