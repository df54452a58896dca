"""The protocol of `POST /completions`, as pure functions of values: no I/O, no clock, no HTTP library.

Modules, by what they are about:

    where     endpoint, urls, service
    requests  wire (the body), parameters, headers, sampling, infill
    answers   reader (sse, json_body, pieces, ending), document (the same at once), choices, assemble, logprobs,
              finish_reasons
    models    model_list
    checks    kept (ignored parameters), probes, near_names, wrong_answers
    errors    error_map (error_body, error_words, error_names, error_places, json_errors, markup), refusal_words
    advice    hints, blame (whose fault a refusal is), retry
    secrets   masking, views (of a text that is searched), spelled (how servers write them), answer_mask,
              number_mask, model_words (where in an answer they stand)
"""
