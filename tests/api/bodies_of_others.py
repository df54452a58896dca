"""Error bodies as servers, services and gateways word them: what each is to become.

Adding one never needs a change of the code, unless it has a shape that none had before. `HELD_OUT` were collected when
the code was done.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Seen:
    """An answer that some software gives; `hint` is a part of the advice."""

    who: str
    status: int
    body: str
    message: str
    hint: str
    exit_code: int
    code: str | None = None
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


MODEL, KEY, WAIT, LATER, BILLING = "-m MODEL", "key set", "--max-wait", "try again later", "billing"
GATEWAY, SHORTEN, RETIRED, ROUTE = "gateway works", "Shorten the prompt", "is retired", "completions route"
NO_TEXT, PARAMETERS, ROLE, NETWORK, REWORD = "no text completions", "--dry-run", "role", "network", "Reword"

SEEN = [
    # OpenAI
    Seen(
        "OpenAI: key",
        401,
        '{"error":{"message":"Incorrect API key provided: sk-no. You can find your API key at '
        'https://platform.openai.com/account/api-keys.","type":"invalid_request_error","param":null,'
        '"code":"invalid_api_key"}}',
        "Incorrect API key provided: sk-no. You can find your API key at https://platform.openai.com/account/api-keys.",
        KEY,
        4,
        "invalid_api_key",
    ),
    Seen(
        "OpenAI: quota",
        429,
        '{"error":{"message":"You exceeded your current quota, please check your plan and billing details.",'
        '"type":"insufficient_quota","param":null,"code":"insufficient_quota"}}',
        "You exceeded your current quota, please check your plan and billing details.",
        BILLING,
        8,
        "insufficient_quota",
    ),
    Seen(
        "OpenAI: rate",
        429,
        '{"error":{"message":"Rate limit reached for gpt-3.5-turbo-instruct in organization org-x on requests per min '
        '(RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.","type":"requests","param":null,'
        '"code":"rate_limit_exceeded"}}',
        "Rate limit reached for gpt-3.5-turbo-instruct in organization org-x on requests per min (RPM): Limit 3, Used 3, "
        "Requested 1. Please try again in 20s.",
        WAIT,
        8,
        "rate_limit_exceeded",
    ),
    Seen(
        "OpenAI: no such model",
        404,
        '{"error":{"message":"The model `gpt-9` does not exist or you do not have access to it.",'
        '"type":"invalid_request_error","param":null,"code":"model_not_found"}}',
        "The model `gpt-9` does not exist or you do not have access to it.",
        MODEL,
        5,
        "model_not_found",
    ),
    Seen(
        "OpenAI: chat model",
        404,
        '{"error":{"message":"This is a chat model and not supported in the v1/completions endpoint. Did you mean to use '
        'v1/chat/completions?","type":"invalid_request_error","param":"model","code":null}}',
        "This is a chat model and not supported in the v1/completions endpoint. Did you mean to use "
        "v1/chat/completions?",
        NO_TEXT,
        5,
        None,
        "model",
    ),
    Seen(
        "OpenAI: too long",
        400,
        '{"error":{"message":"This model\'s maximum context length is 4097 tokens, however you requested 5000 tokens '
        '(4000 in your prompt; 1000 for the completion). Please reduce your prompt; or completion length.",'
        '"type":"invalid_request_error","param":null,"code":null}}',
        "This model's maximum context length is 4097 tokens, however you requested 5000 tokens (4000 in your prompt; "
        "1000 for the completion). Please reduce your prompt; or completion length.",
        SHORTEN,
        6,
    ),
    Seen(
        "OpenAI: overloaded",
        503,
        '{"error":{"message":"The server is overloaded or not ready yet.","type":"server_error","param":null,"code":null}}',
        "The server is overloaded or not ready yet.",
        LATER,
        9,
    ),
    # Servers of one's own
    Seen("Ollama: model", 404, """{"error":"model 'llama9' not found"}""", "model 'llama9' not found", MODEL, 5),
    Seen(
        "Ollama: model, /v1",
        404,
        """{"error":{"message":"model \\"llama9\\" not found, try pulling it first","type":"api_error","param":null,"""
        """"code":null}}""",
        'model "llama9" not found, try pulling it first',
        MODEL,
        5,
    ),
    Seen(
        "Ollama: no model",
        400,
        '{"error":{"message":"model is required","type":"invalid_request_error","param":null,"code":null}}',
        "model is required",
        MODEL,
        6,
    ),
    Seen(
        "LM Studio: none loaded",
        404,
        '{"error":{"message":"No models loaded. Please load a model in the developer page or use the `lms load` command.",'
        '"type":"invalid_request_error","param":"model","code":"model_not_found"}}',
        "No models loaded. Please load a model in the developer page or use the `lms load` command.",
        MODEL,
        5,
        "model_not_found",
        "model",
    ),
    Seen(
        "LM Studio: route",
        200 + 204,
        '{"error":"Unexpected endpoint or method. (POST /completions)"}',
        "Unexpected endpoint or method. (POST /completions)",
        ROUTE,
        5,
    ),
    Seen(
        "LiteLLM: model",
        400,
        '{"error":{"message":"/completions: Invalid model name passed in model=x. Call `/v1/models` to view available '
        'models for your key.","type":"None","param":"None","code":"400"}}',
        "/completions: Invalid model name passed in model=x. Call `/v1/models` to view available models for your key.",
        MODEL,
        6,
        "400",
    ),
    Seen(
        "LiteLLM: key",
        401,
        '{"error":{"message":"Authentication Error, Invalid proxy server token passed.","type":"auth_error",'
        '"param":"None","code":"401"}}',
        "Authentication Error, Invalid proxy server token passed.",
        KEY,
        4,
        "401",
    ),
    Seen(
        "LiteLLM: budget",
        400,
        '{"error":{"message":"Budget has been exceeded! Current cost: 1.2, Max budget: 1.0","type":"budget_exceeded",'
        '"param":null,"code":"400"}}',
        "Budget has been exceeded! Current cost: 1.2, Max budget: 1.0",
        BILLING,
        6,
        "400",
    ),
    Seen(
        "vLLM: model",
        404,
        '{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","param":null,"code":404}',
        "The model `x` does not exist.",
        MODEL,
        5,
        "404",
    ),
    Seen(
        "vLLM: nested",
        400,
        '{"error":{"message":"temperature must be non-negative, got -1.0.","type":"BadRequestError","param":"temperature",'
        '"code":400}}',
        "temperature must be non-negative, got -1.0.",
        "temperature",
        6,
        "400",
        "temperature",
    ),
    Seen("vLLM: key", 401, '{"error":"Unauthorized"}', "Unauthorized", KEY, 4),
    Seen(
        "TGI: too long",
        422,
        '{"error":"Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",'
        '"error_type":"validation"}',
        "Input validation error: `inputs` must have less than 1024 tokens. Given: 2000",
        SHORTEN,
        6,
    ),
    Seen(
        "TGI: overloaded",
        429,
        '{"error":"Model is overloaded","error_type":"overloaded"}',
        "Model is overloaded",
        WAIT,
        8,
    ),
    Seen(
        "llama.cpp: too long",
        400,
        '{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it",'
        '"type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":4096}}',
        "the request exceeds the available context size, try increasing it",
        SHORTEN,
        6,
        "400",
    ),
    Seen(
        "llama.cpp: loading",
        503,
        '{"error":{"message":"Loading model","type":"unavailable_error","code":503}}',
        "Loading model",
        LATER,
        9,
        "503",
    ),
    Seen(
        "llama.cpp: key",
        401,
        '{"error":{"message":"Invalid API Key","type":"authentication_error","code":401}}',
        "Invalid API Key",
        KEY,
        4,
        "401",
    ),
    Seen(
        "llama.cpp: route",
        404,
        '{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}',
        "File Not Found",
        ROUTE,
        5,
        "404",
    ),
    # Gateways
    Seen(
        "nginx: size",
        413,
        "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n<center><h1>413 Request Entity Too "
        "Large</h1></center>\r\n<hr><center>nginx/1.25.3</center>\r\n</body>\r\n</html>\r\n",
        "Request Entity Too Large",
        "a gateway in front of it",
        6,
    ),
    Seen(
        "nginx: bad gateway",
        502,
        "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n",
        "Bad Gateway",
        GATEWAY,
        9,
    ),
    Seen(
        "Envoy",
        503,
        "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
        "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
        GATEWAY,
        9,
    ),
    Seen("Envoy: none", 503, "no healthy upstream", "no healthy upstream", GATEWAY, 9),
    Seen(
        "Apigee",
        429,
        '{"fault":{"faultstring":"Rate limit quota violation. Quota limit exceeded. Identifier : _default",'
        '"detail":{"errorcode":"policies.ratelimit.QuotaViolation"}}}',
        "Rate limit quota violation. Quota limit exceeded. Identifier : _default",
        WAIT,
        8,
        "policies.ratelimit.QuotaViolation",
    ),
    Seen(
        "Kong: route",
        404,
        '{"message":"no Route matched with those values","request_id":"8a"}',
        "no Route matched with those values",
        ROUTE,
        5,
    ),
    Seen("Kong: key", 401, '{"message":"No API key found in request"}', "No API key found in request", KEY, 4),
    Seen(
        "AWS: token",
        403,
        '{"__type":"com.amazon.coral.service#UnrecognizedClientException","message":"The security token included in the '
        'request is invalid."}',
        "The security token included in the request is invalid.",
        KEY,
        4,
        "UnrecognizedClientException",
    ),
    Seen(
        "AWS gateway",
        403,
        '{"Message":"User is not authorized to access this resource"}',
        "User is not authorized to access this resource",
        KEY,
        4,
    ),
    Seen(
        "watsonx",
        404,
        """{"errors":[{"code":"model_not_supported","message":"Model 'x/y' is not supported","more_info":"""
        """"https://cloud.ibm.com/apidocs/watsonx-ai#text-chat"}],"trace":"5d5da95c","status_code":404}""",
        "Model 'x/y' is not supported",
        MODEL,
        5,
        "model_not_supported",
    ),
    Seen("msg", 400, '{"code":1001,"msg":"prompt is empty"}', "prompt is empty", PARAMETERS, 6, "1001"),
    Seen(
        "error_msg",
        400,
        '{"error_code":336003,"error_msg":"the max length of current question is 7200"}',
        "the max length of current question is 7200",
        SHORTEN,
        6,
        "336003",
    ),
]
HELD_OUT = [
    Seen(
        "Mistral: key",
        401,
        '{"message":"Unauthorized","request_id":"65ab"}',
        "Unauthorized",
        KEY,
        4,
    ),
    Seen(
        "Mistral: model",
        400,
        '{"object":"error","message":"Invalid model: mistral-nano","type":"invalid_model","param":null,"code":"1500"}',
        "Invalid model: mistral-nano",
        MODEL,
        6,
        "1500",
    ),
    Seen(
        "Mistral: rate",
        429,
        '{"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code":"1300","raw_status_code":429}',
        "Rate limit exceeded",
        WAIT,
        8,
        "1300",
    ),
    Seen(
        "Groq: retired",
        400,
        '{"error":{"message":"The model `gemma-7b-it` has been decommissioned and is no longer supported. Please refer to '
        'https://console.groq.com/docs/deprecations for a recommendation on which model to use instead.",'
        '"type":"invalid_request_error","code":"model_decommissioned"}}',
        "The model `gemma-7b-it` has been decommissioned and is no longer supported. Please refer to "
        "https://console.groq.com/docs/deprecations for a recommendation on which model to use instead.",
        RETIRED,
        6,
        "model_decommissioned",
    ),
    Seen(
        "Groq: route",
        404,
        '{"error":{"message":"Unknown request URL: POST /openai/v1/completions. Please check the URL for typos, or see the '
        'docs at https://console.groq.com/docs/","type":"invalid_request_error","code":"unknown_url"}}',
        "Unknown request URL: POST /openai/v1/completions. Please check the URL for typos, or see the docs at "
        "https://console.groq.com/docs/",
        ROUTE,
        5,
        "unknown_url",
    ),
    Seen(
        "Together: model",
        404,
        '{"id":"o1","error":{"message":"Unable to access model x/y. Please visit https://api.together.ai/models to view the '
        'list of supported models.","type":"invalid_request_error","param":null,"code":"model_not_available"}}',
        "Unable to access model x/y. Please visit https://api.together.ai/models to view the list of supported models.",
        MODEL,
        5,
        "model_not_available",
    ),
    Seen(
        "Together: credit",
        402,
        '{"error":{"message":"Credit limit exceeded, please add credits","type":"credit_limit","param":null,"code":null}}',
        "Credit limit exceeded, please add credits",
        BILLING,
        4,
    ),
    Seen(
        "Fireworks: model",
        404,
        '{"error":{"object":"error","type":"invalid_request_error","code":"NOT_FOUND","message":"Model not found, '
        'inaccessible, and/or not deployed"}}',
        "Model not found, inaccessible, and/or not deployed",
        MODEL,
        5,
        "NOT_FOUND",
    ),
    Seen(
        "Fireworks: key",
        403,
        '{"error":"unauthorized"}',
        "unauthorized",
        KEY,
        4,
    ),
    Seen(
        "OpenRouter: model",
        400,
        '{"error":{"message":"x/y is not a valid model ID","code":400},"user_id":"user_1"}',
        "x/y is not a valid model ID",
        MODEL,
        6,
        "400",
    ),
    Seen(
        "OpenRouter: credits",
        402,
        '{"error":{"message":"Insufficient credits. Add more using https://openrouter.ai/settings/credits","code":402}}',
        "Insufficient credits. Add more using https://openrouter.ai/settings/credits",
        BILLING,
        4,
        "402",
    ),
    Seen(
        "OpenRouter: provider",
        502,
        '{"error":{"message":"Provider returned error","code":502,"metadata":{"raw":"upstream failure","provider_name":"X"}}}',
        "Provider returned error",
        LATER,
        9,
        "502",
    ),
    Seen(
        "Hugging Face: model",
        404,
        '{"error":"Model x/y does not exist"}',
        "Model x/y does not exist",
        MODEL,
        5,
    ),
    Seen(
        "Hugging Face: loading",
        503,
        '{"error":"Model x/y is currently loading","estimated_time":20.0}',
        "Model x/y is currently loading",
        LATER,
        9,
    ),
    Seen(
        "Hugging Face: key",
        401,
        '{"error":"Invalid credentials in Authorization header"}',
        "Invalid credentials in Authorization header",
        KEY,
        4,
    ),
    Seen(
        "Vertex: key",
        401,
        '[{"error":{"code":401,"message":"Request had invalid authentication credentials. Expected OAuth 2 access token, '
        'login cookie or other valid authentication credential.","status":"UNAUTHENTICATED","details":[{"@type":'
        '"type.googleapis.com/google.rpc.ErrorInfo","reason":"ACCESS_TOKEN_TYPE_UNSUPPORTED"}]}}]',
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid "
        "authentication credential.",
        KEY,
        4,
        "401",
    ),
    Seen(
        "Vertex: rate",
        429,
        '{"error":{"code":429,"message":"Resource exhausted. Please try again later. Please refer to '
        'https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.",'
        '"status":"RESOURCE_EXHAUSTED"}}',
        "Resource exhausted. Please try again later. Please refer to "
        "https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 for more details.",
        WAIT,
        8,
        "429",
    ),
    Seen(
        "Google: field",
        400,
        '{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \\"foo\\": Cannot find field.",'
        '"status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":'
        '[{"description":"Unknown name"}]}]}}',
        'Invalid JSON payload received. Unknown name "foo": Cannot find field.',
        PARAMETERS,
        6,
        "400",
    ),
    Seen(
        "Gemini: quota of a minute",
        429,
        '{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details. '
        'Please retry in 36.5s.","status":"RESOURCE_EXHAUSTED"}}',
        "You exceeded your current quota, please check your plan and billing details. Please retry in 36.5s.",
        WAIT,
        8,
        "429",
    ),
    Seen(
        "Bedrock: validation",
        400,
        '{"message":"The provided model identifier is invalid."}',
        "The provided model identifier is invalid.",
        MODEL,
        6,
        "ValidationException",
        headers={"x-amzn-errortype": "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"},
    ),
    Seen(
        "Bedrock: throttled",
        429,
        '{"message":"Too many requests, please wait before trying again."}',
        "Too many requests, please wait before trying again.",
        WAIT,
        8,
        "ThrottlingException",
        headers={"x-amzn-errortype": "ThrottlingException"},
    ),
    Seen(
        "S3",
        403,
        '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code><Message>Access Denied</Message>'
        "<RequestId>4442587FB7D0A2F9</RequestId></Error>",
        "Access Denied",
        KEY,
        4,
        "AccessDenied",
    ),
    Seen(
        "Cohere",
        422,
        '{"message":"invalid request: prompt must be at least 1 token long."}',
        "invalid request: prompt must be at least 1 token long.",
        PARAMETERS,
        6,
    ),
    Seen(
        "Anthropic: overloaded",
        529,
        '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"}',
        "Overloaded",
        LATER,
        9,
    ),
    Seen(
        "Anthropic: credit",
        400,
        '{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the '
        'API. Please go to Plans & Billing to upgrade or purchase credits."}}',
        "Your credit balance is too low to access the API. Please go to Plans & Billing to upgrade or purchase credits.",
        BILLING,
        6,
    ),
    Seen(
        "DeepSeek: balance",
        402,
        '{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}',
        "Insufficient Balance",
        BILLING,
        4,
        "invalid_request_error",
    ),
    Seen(
        "SGLang: model",
        404,
        '{"object":"error","message":"The model x does not exist.","type":"NotFoundError","param":null,"code":404}',
        "The model x does not exist.",
        MODEL,
        5,
        "404",
    ),
    Seen(
        "SGLang: too long",
        400,
        '{"object":"error","message":"The input (5000 tokens) is longer than the model\'s context length (4096 tokens).",'
        '"type":"BadRequestError","param":null,"code":400}',
        "The input (5000 tokens) is longer than the model's context length (4096 tokens).",
        SHORTEN,
        6,
        "400",
    ),
    Seen(
        "Triton",
        400,
        """{"error":"Request for unknown model: 'x' is not found"}""",
        "Request for unknown model: 'x' is not found",
        MODEL,
        6,
    ),
    Seen(
        "KServe",
        404,
        '{"error":"Model with name x does not exist."}',
        "Model with name x does not exist.",
        MODEL,
        5,
    ),
    Seen(
        "ASP.NET",
        400,
        '{"type":"https://tools.ietf.org/html/rfc9110#section-15.5.1","title":"One or more validation errors occurred.",'
        '"status":400,"errors":{"Prompt":["The Prompt field is required."]},"traceId":"00-a"}',
        "Prompt: The Prompt field is required.",
        "Prompt",
        6,
        None,
        "Prompt",
    ),
    Seen(
        "problem+json",
        403,
        '{"type":"https://example.com/probs/out-of-credit","title":"You do not have enough credit.",'
        '"detail":"Your current balance is 30, but that costs 50.","instance":"/account/12345/msgs/abc"}',
        "Your current balance is 30, but that costs 50.",
        KEY,
        4,
    ),
    Seen(
        "Spring",
        404,
        '{"timestamp":"2026-01-01T00:00:00.000+00:00","status":404,"error":"Not Found","path":"/completions"}',
        "Not Found",
        ROUTE,
        5,
    ),
    Seen(
        "Django REST",
        400,
        '{"prompt":["This field may not be blank."]}',
        "prompt: This field may not be blank.",
        "prompt",
        6,
        None,
        "prompt",
    ),
    Seen(
        "JSON:API",
        422,
        '{"errors":[{"status":"422","title":"Invalid Attribute","detail":"Temperature must be below 2.","source":'
        '{"pointer":"/data/attributes/temperature"}}]}',
        "Temperature must be below 2.",
        PARAMETERS,
        6,
    ),
    Seen("GraphQL-like", 400, '{"errors":["first thing","second thing"]}', "first thing; second thing", PARAMETERS, 6),
    Seen(
        "Cloudflare: 520",
        520,
        '<!DOCTYPE html>\n<html lang="en-US">\n<head>\n<title>api.example.com | 520: Web server is returning an unknown '
        "error</title>\n</head><body></body></html>",
        "api.example.com | 520: Web server is returning an unknown error",
        GATEWAY,
        9,
    ),
    Seen("Cloudflare: 1033", 530, "error code: 1033", "error code: 1033", LATER, 9),
    Seen(
        "Cloudflare: blocked",
        403,
        "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head><body>x</body></html>",
        "Attention Required! | Cloudflare",
        "before the service saw it",
        4,
    ),
    Seen(
        "HAProxy",
        503,
        "<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n",
        "Service Unavailable",
        GATEWAY,
        9,
    ),
    Seen("Traefik: route", 404, "404 page not found\n", "page not found", ROUTE, 5),
    Seen("Traefik: gateway", 502, "Bad Gateway", "Bad Gateway", GATEWAY, 9),
    Seen(
        "Tyk",
        403,
        '{\n    "error": "Access to this API has been disallowed"\n}',
        "Access to this API has been disallowed",
        KEY,
        4,
    ),
    Seen(
        "Akamai",
        403,
        "<HTML><HEAD>\n<TITLE>Access Denied</TITLE>\n</HEAD><BODY>\n<H1>Access Denied</H1>\n \nYou don't have permission "
        'to access "http://x/" on this server.<P>\nReference #18.2\n</BODY>\n</HTML>\n',
        "Access Denied",
        "before the service saw it",
        4,
    ),
    Seen(
        "IIS",
        404,
        '<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-strict.dtd">\r\n'
        "<html><head>\r\n<title>404 - File or directory not found.</title>\r\n</head><body></body></html>",
        "File or directory not found.",
        ROUTE,
        5,
    ),
    Seen(
        "API Management",
        401,
        '{ "statusCode": 401, "message": "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API." }',
        "Access denied due to missing subscription key. Make sure to include subscription key when making requests to an API.",
        KEY,
        4,
    ),
    Seen(
        "API Management: quota",
        403,
        '{ "statusCode": 403, "message": "Out of call volume quota. Quota will be replenished in 01:12:54." }',
        "Out of call volume quota. Quota will be replenished in 01:12:54.",
        KEY,
        4,
    ),
    Seen(
        "Express",
        404,
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n<body>\n<pre>Cannot POST /completions</pre>\n</body>\n</html>\n',
        "Error",
        ROUTE,
        5,
    ),
    Seen(
        "Flask",
        405,
        "<!doctype html>\n<html lang=en>\n<title>405 Method Not Allowed</title>\n<h1>Method Not Allowed</h1>\n",
        "Method Not Allowed",
        ROUTE,
        5,
    ),
    Seen(
        "Baidu",
        400,
        '{"error_code":110,"error_description":"Access token invalid or no longer valid"}',
        "Access token invalid or no longer valid",
        KEY,
        6,
        "110",
    ),
    Seen(
        "DashScope",
        400,
        '{"code":"InvalidParameter","message":"Model not exist.","request_id":"7574"}',
        "Model not exist.",
        MODEL,
        6,
        "InvalidParameter",
    ),
    Seen(
        "Replicate",
        422,
        '{"title":"Input validation failed","detail":"- input: prompt is required\\n","status":422,"invalid_fields":[{"type":"required","field":"input","description":"prompt is required"}]}',
        "- input: prompt is required",
        "input",
        6,
        None,
        "input",
    ),
    Seen(
        "Perplexity",
        400,
        '{"error":{"message":"Invalid model \'x\'. Permitted models can be found in the documentation.","type":"invalid_model","code":400}}',
        "Invalid model 'x'. Permitted models can be found in the documentation.",
        MODEL,
        6,
        "400",
    ),
    Seen(
        "Databricks",
        404,
        '{"error_code":"ENDPOINT_NOT_FOUND","message":"The given endpoint does not exist, please retry after checking the specified model and version deployment exists."}',
        "The given endpoint does not exist, please retry after checking the specified model and version deployment exists.",
        ROUTE,
        5,
        "ENDPOINT_NOT_FOUND",
    ),
    Seen("RunPod", 401, '{"error":"Unauthorized: invalid API key"}', "Unauthorized: invalid API key", KEY, 4),
    Seen(
        "NVIDIA",
        404,
        '{"status":404,"title":"Not Found","detail":"Function \'x\': Not found for account \'y\'"}',
        "Function 'x': Not found for account 'y'",
        ROUTE,
        5,
    ),
    Seen(
        "Xinference",
        400,
        '{"detail":"[address=0.0.0.0:1, pid=2] Model not found, uid: x"}',
        "[address=0.0.0.0:1, pid=2] Model not found, uid: x",
        MODEL,
        6,
    ),
    Seen(
        "LiteLLM: an object as Python shows it",
        400,
        '{"error":{"message":"{\'error\': \'/completions: Invalid model name passed in model=x.\'}","type":"None"}}',
        "/completions: Invalid model name passed in model=x.",
        MODEL,
        6,
    ),
    Seen(
        "LiteLLM without a database, any other key than its own",
        400,
        '{"error":{"message":"No connected db.","type":"no_db_connection","param":null,"code":"400"}}',
        "No connected db.",
        KEY,
        6,
        code="400",
    ),
    Seen(
        "Gemini",
        400,
        '[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}]',
        "API key not valid. Please pass a valid API key.",
        KEY,
        6,
        code="400",
    ),
    Seen(
        "guidellm: pydantic's own words, of several lines",
        400,
        '{"error":{"message":"Invalid request: 1 validation error for CompletionsRequest\\nprompt.str\\n  Input should be a '
        'valid string [type=string_type]\\n    For further information visit https://errors.pydantic.dev","code":"invalid_request"}}',
        "Invalid request: 1 validation error for CompletionsRequest: prompt.str: Input should be a valid string "
        "[type=string_type]",
        PARAMETERS,
        6,
        code="invalid_request",
    ),
    Seen(
        "vLLM behind Azure: a list of Python's in a message",
        400,
        "{\"error\":{\"message\":\"[{'type': 'extra_forbidden', 'loc': ('body', 'foo'), 'msg': 'Extra inputs are not permitted'}]\"}}",
        "foo: Extra inputs are not permitted",
        "leave out foo",
        6,
        param="foo",
    ),
    Seen(
        "nginx that wants a client certificate",
        400,
        "<html>\r\n<head><title>400 No required SSL certificate was sent</title></head>\r\n<body>\r\n</body>\r\n</html>",
        "No required SSL certificate was sent",
        "--client-cert",
        6,
    ),
    Seen("text-generation-webui", 500, "Internal Server Error", "Internal Server Error", LATER, 9),
]
