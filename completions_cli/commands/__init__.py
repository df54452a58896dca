"""One thin module per subcommand: options to settings, a call, its rendering.

Modules:

    commands     complete, stream, score, models, emulator, local, batch/, config/
    options      options, common_options, prompt_options, score_options, emulator_options; option_groups makes them
    values       values, typed_text, plain_values
    the prompt   prompt_source, prompt_command, cursor, editor
    a call       call, scoring_call, resolution (settings, keys and a caller), overwriting
    help         lazy (commands loaded when called), help_pages, descriptions, examples
    advice       mistakes, option_mistakes and suggestions; misread, neighbours (of other tools), pasted, fitting_hints,
                 model_names
"""
