"""What the back ends answer instead of a completion, and what each is to become: the table of the error tests."""

import json
from dataclasses import dataclass, field

from completions_cli.api.hints import HintContext
from completions_cli.errors import (
    AuthError,
    ContentFilterError,
    NotFoundError,
    RateLimitError,
    RejectedError,
    ServerError,
    ServiceError,
    ServiceTimeoutError,
)

HELP = (
    "Please check this guide to understand why this error code might have been returned \n"
    "https://docs.microsoft.com/en-us/azure/machine-learning/how-to-troubleshoot-online-endpoints#http-status-codes\n"
)
NGINX = (
    "<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body>\r\n"
    "<center><h1>504 Gateway Time-out</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    "<!-- a padding to disable MSIE and Chrome friendly error page -->\r\n"
)


@dataclass(frozen=True)
class Row:
    """An answer, and what is to be made of it. `hint` is a part of the advice."""

    status: int
    body: str
    kind: type[ServiceError]
    message: str
    hint: str
    code: str | None = None
    param: str | None = None
    loc: tuple[str, ...] = ()
    retryable: bool = False
    retry_after: float | None = None
    headers: dict[str, str] = field(default_factory=dict)
    context: HintContext = field(default_factory=HintContext)


def dumped(value: object) -> str:
    return json.dumps(value)


# The reference's own shapes, "Definitions".
REFERENCE = {
    "401": Row(
        401,
        '{"error":"Unauthorized","message":"Access token is missing or invalid","status":401}',
        AuthError,
        "Access token is missing or invalid",
        "config key set",
        headers={"x-ms-error-code": "Unauthorized"},
        code="Unauthorized",
    ),
    "404": Row(
        404,
        '{"error":"Not Found","message":"Modality not supported by the model.","status":404}',
        NotFoundError,
        "Modality not supported by the model.",
        "completions route",
    ),
    "422": Row(
        422,
        '{"code":"parameter_not_supported","detail":{"loc":["body","logprobs"],"value":"5"},'
        '"error":"Unprocessable Content","message":"One of the parameters contain invalid values.","status":422}',
        RejectedError,
        "One of the parameters contain invalid values. (logprobs: given 5)",
        "logprobs",
        code="parameter_not_supported",
        param="logprobs",
        loc=("body", "logprobs"),
    ),
    "429": Row(
        429,
        '{"error":"Too Many Requests","message":"You have hit your assigned rate limit.","status":429}',
        RateLimitError,
        "You have hit your assigned rate limit.",
        "--max-wait",
        retryable=True,
        headers={"retry-after": "7"},
        retry_after=7,
    ),
    "content filter": Row(
        400,
        '{"code":"content_filter","error":"Bad Request","message":"The response was filtered","param":"prompt",'
        '"status":400}',
        ContentFilterError,
        "The response was filtered",
        "Reword the prompt",
        code="content_filter",
        param="prompt",
    ),
}

# What the back ends really send.
DIALECTS = {
    "400 extra parameters": Row(
        400,
        """{"detail":"Extra parameters ['n'] are not allowed when extra-parameters is not set or set to be 'error'. """
        """Set extra-parameters to 'pass-through' to pass to the model."}""",
        RejectedError,
        "Extra parameters ['n'] are not allowed when extra-parameters is not set or set to be 'error'. "
        "Set extra-parameters to 'pass-through' to pass to the model.",
        "--extra-parameters pass-through",
    ),
    "400 ignore": Row(
        400,
        """{"detail":"Unexpected EXTRA_PARAMETERS option ignore, expected options are """
        """['error', 'drop', 'pass-through']"}""",
        RejectedError,
        "Unexpected EXTRA_PARAMETERS option ignore, expected options are ['error', 'drop', 'pass-through']",
        "--extra-parameters drop",
        context=HintContext(extra_parameters="ignore"),
    ),
    "400 modality": Row(
        400,
        '{"error":{"code":"Bad Request","message":"task_type chat-completion not available with text generation API.",'
        '"status":400}}',
        RejectedError,
        "task_type chat-completion not available with text generation API.",
        "-m MODEL",
        code="Bad Request",
    ),
    "400 content safety": Row(
        400,
        '{"error":{"code":"Bad Request","message":"request input violates azure ai content safety setting.",'
        '"status":400}}',
        ContentFilterError,
        "request input violates azure ai content safety setting.",
        "Reword the prompt",
        code="Bad Request",
    ),
    "400 filter": Row(
        400,
        '{"error":{"message":"The response was filtered due to the prompt triggering Microsoft\'s content management '
        'policy. Please modify your prompt and retry.","type":null,"param":"prompt","code":"content_filter",'
        '"status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":'
        '{"hate":{"filtered":false,"severity":"safe"},"jailbreak":{"filtered":true,"detected":true}}}}}',
        ContentFilterError,
        "The response was filtered due to the prompt triggering Microsoft's content management policy. "
        "Please modify your prompt and retry.",
        "Reword the prompt",
        code="content_filter",
        param="prompt",
    ),
    "400 filter by inner error alone": Row(
        400,
        '{"error":{"message":"no","code":"x","innererror":{"code":"ResponsibleAIPolicyViolation"}}}',
        ContentFilterError,
        "no",
        "Reword the prompt",
        code="x",
    ),
    "400 filter in prose": Row(
        400,
        "Filtered by Microsoft's content management policy.\nMore",
        ContentFilterError,
        "Filtered by Microsoft's content management policy.",
        "Reword the prompt",
    ),
    "400 flat filter": Row(
        400,
        '{"status":400,"code":"content_filter","message":"The response was filtered","param":"messages","type":null}',
        ContentFilterError,
        "The response was filtered",
        "Reword the prompt",
        code="content_filter",
        param="messages",
    ),
    "400 vLLM": Row(
        400,
        '{"object":"error","message":"This model\'s maximum context length is 4096 tokens.","type":"BadRequestError",'
        '"param":null,"code":400}',
        RejectedError,
        "This model's maximum context length is 4096 tokens.",
        "--max-tokens",
        code="400",
    ),
    "400 vLLM, JSON in a string": Row(
        400,
        dumped(
            {
                "error": {
                    "code": "Bad Request",
                    "message": dumped(
                        {
                            "object": "error",
                            "message": "[{'type': 'extra_forbidden'}]",
                            "type": "BadRequestError",
                            "param": None,
                            "code": 400,
                        }
                    ),
                    "status": 400,
                }
            }
        ),
        RejectedError,
        "extra_forbidden",
        "Check the parameters",
        code="400",
    ),
    "400 integer code": Row(
        400,
        '{"error":{"requestid":"r","code":400,"message":"Validation error at #/max_completion_tokens: '
        'Extra inputs are not permitted"}}',
        RejectedError,
        "Validation error at #/max_completion_tokens: Extra inputs are not permitted",
        "Check the parameters",
        code="400",
    ),
    "400 operation": Row(
        400,
        '{"error":{"code":"OperationNotSupported","message":"The completion operation does not work with the specified '
        'model, gpt-35-turbo. Please choose different model and try again."}}',
        RejectedError,
        "The completion operation does not work with the specified model, gpt-35-turbo. "
        "Please choose different model and try again.",
        "no text completions",
        code="OperationNotSupported",
    ),
    "400 no model": Row(
        400,
        '{"error":{"code":"no_model_name","message":"No model specified in request. Please provide a model name in the '
        'request body or as a x-ms-model-mesh-model-name header.","details":"No model specified"}}',
        RejectedError,
        "No model specified in request. Please provide a model name in the request body or as a "
        "x-ms-model-mesh-model-name header.",
        "-m MODEL",
        code="no_model_name",
    ),
    "400 api-version": Row(
        400,
        '{"error":{"code":"BadRequest","message":"API version not supported"}}',
        RejectedError,
        "API version not supported",
        "--api-version",
        code="BadRequest",
    ),
    "400 trailing prose": Row(
        400,
        '{"object":"error","message":"Tool \'g\' not found in tools list.","type":"BadRequestError","param":null,'
        '"code":400}\n' + HELP,
        RejectedError,
        "Tool 'g' not found in tools list.",
        "Check the parameters",
        code="400",
    ),
    "401 status in words": Row(
        401,
        '{"status":"Auth token must be passed as a header called Authorization"}',
        AuthError,
        "Auth token must be passed as a header called Authorization",
        "config key set -p blue",
        context=HintContext(profile="blue"),
    ),
    "401 invalid token": Row(
        401, '{"status": "Invalid auth token"}', AuthError, "Invalid auth token", "config key set"
    ),
    "401 empty": Row(401, "", AuthError, "Unauthorized", "config key set"),
    "401 statusCode": Row(
        401,
        '{ "statusCode": 401, "message": "Unauthorized. Access token is missing, invalid, audience is incorrect '
        '(https://cognitiveservices.azure.com), or have expired." }',
        AuthError,
        "Unauthorized. Access token is missing, invalid, audience is incorrect (https://cognitiveservices.azure.com), "
        "or have expired.",
        "scope",
        context=HintContext(auth="entra"),
    ),
    "401 subscription key": Row(
        401,
        '{"error":{"code":"401","message":"Access denied due to invalid subscription key or wrong API endpoint. '
        'Make sure to provide a valid key"}}',
        AuthError,
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key",
        "--auth none",
        code="401",
        context=HintContext(auth="none"),
    ),
    "401 role": Row(
        401,
        '{"error":{"code":"PermissionDenied","message":"Principal does not have access to API/Operation."}}',
        AuthError,
        "Principal does not have access to API/Operation.",
        "role",
        code="PermissionDenied",
        context=HintContext(auth="entra"),
    ),
    "403 no keys": Row(
        403,
        '{"error":{"code":"AuthenticationTypeDisabled","message":"Key based authentication is disabled for this '
        'resource."}}',
        AuthError,
        "Key based authentication is disabled for this resource.",
        "--auth entra",
        code="AuthenticationTypeDisabled",
    ),
    "403 firewall": Row(
        403,
        '{"error":{"code":"403","message":"Access denied due to Virtual Network/Firewall rules."}}',
        AuthError,
        "Access denied due to Virtual Network/Firewall rules.",
        "network rules",
        code="403",
    ),
    "403 private endpoint": Row(
        403,
        '{"error":{"code":"403","message":"Public access is disabled. Please configure private endpoint."}}',
        AuthError,
        "Public access is disabled. Please configure private endpoint.",
        "network rules",
        code="403",
    ),
    "404 path or api-version": Row(
        404,
        '{"error":{"code":"404","message": "Resource not found"}}',
        NotFoundError,
        "Resource not found",
        "/models",
        code="404",
        context=HintContext(host="r.services.ai.azure.com", path="/completions"),
    ),
    "404 bare Azure OpenAI": Row(
        404,
        '{"error":{"code":"404","message": "Resource not found"}}',
        NotFoundError,
        "Resource not found",
        "/openai/deployments/DEPLOYMENT",
        code="404",
        context=HintContext(host="r.openai.azure.com", path="/completions"),
    ),
    "404 deployment": Row(
        404,
        '{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist. If you '
        'created the deployment within the last 5 minutes, please wait a moment and try again."}}',
        NotFoundError,
        "The API deployment for this resource does not exist. If you created the deployment within the last 5 minutes, "
        "please wait a moment and try again.",
        "takes a few minutes",
        code="DeploymentNotFound",
    ),
    "404 model": Row(
        404,
        '{"error":{"code":"unknown_model","message":"Unknown model: X","details":"Unknown model: X"}}',
        NotFoundError,
        "Unknown model: X",
        "-m MODEL",
        code="unknown_model",
        headers={"content-type": "text/plain"},
    ),
    "404 serverless": Row(
        404,
        '{"status": "Serverless endpoint not found"}',
        NotFoundError,
        "Serverless endpoint not found",
        "Check endpoint",
    ),
    "404 route": Row(404, '{"detail":"Not Found"}', NotFoundError, "Not Found", "completions route"),
    "405": Row(405, '{"detail":"Method Not Allowed"}', NotFoundError, "Method Not Allowed", "completions route"),
    "408": Row(
        408,
        "upstream request timeout\n" + HELP,
        ServiceTimeoutError,
        "upstream request timeout",
        "fewer tokens",
        retryable=True,
    ),
    "413": Row(
        413,
        '{"error":{"code":"tokens_limit_reached","message":"Request body too large for X model. Max size: 4000 tokens.",'
        '"details":"Request body too large"}}',
        RejectedError,
        "Request body too large for X model. Max size: 4000 tokens.",
        "Shorten the prompt",
        code="tokens_limit_reached",
    ),
    "413 empty": Row(413, "", RejectedError, "Content Too Large", "Shorten the prompt"),
    "422 managed": Row(
        422,
        '{"error":{"code":"Invalid input","status":422,"message":"invalid input error","details":[{"type":"missing",'
        '"loc":["body","prompt"],"msg":"Field required","input":{}}]}}',
        RejectedError,
        "invalid input error (prompt: Field required)",
        "prompt",
        code="Invalid input",
        param="prompt",
        loc=("body", "prompt"),
    ),
    "422 Mistral": Row(
        422,
        '{"detail":[{"type":"extra_forbidden","loc":["body","user"],"msg":"Extra inputs are not permitted",'
        '"input":"default_user_id","url":"https://errors.pydantic.dev/2.6/v/extra_forbidden"}]}',
        RejectedError,
        "user: Extra inputs are not permitted",
        "user",
        param="user",
        loc=("body", "user"),
    ),
    "422 AI21": Row(
        422,
        '{"error":["Extra inputs are not permitted"]}',
        RejectedError,
        "Extra inputs are not permitted",
        "--dry-run",
    ),
    "422 overview": Row(
        422,
        '{"status":422,"code":"parameter_not_supported","detail":{"loc":["body","response_format"],'
        '"input":"json_object"},"message":"One of the parameters contain invalid values."}',
        RejectedError,
        "One of the parameters contain invalid values. (response_format: given json_object)",
        "response_format",
        code="parameter_not_supported",
        param="response_format",
        loc=("body", "response_format"),
    ),
    "422 integer in loc": Row(
        422,
        '{"detail":[{"type":"json_invalid","loc":["body",17],"msg":"JSON decode error","input":{}}]}',
        RejectedError,
        "17: JSON decode error",
        "body.17",
        loc=("body", "17"),
    ),
    "422 union": Row(
        422,
        '{"detail":[{"type":"string_type","loc":["body","stop","str"],"msg":"Input should be a valid string","input":5},'
        '{"type":"list_type","loc":["body","stop","list[str]"],"msg":"Input should be a valid list","input":5}]}',
        RejectedError,
        "stop.str: Input should be a valid string",
        "stop",
        param="stop",
        loc=("body", "stop", "str"),
    ),
    "422 body": Row(
        422,
        '{"detail":[{"type":"missing","loc":["body"],"msg":"Field required","input":null}]}',
        RejectedError,
        "body: Field required",
        "--dry-run",
        loc=("body",),
    ),
    "424 not found": Row(424, '{"detail":"Not Found"}', NotFoundError, "Not Found", "completions route"),
    "424 model's 400": Row(
        424,
        '{"detail":"bad prompt"}',
        NotFoundError,
        "bad prompt",
        "its model failed",
        headers={"ms-azureml-model-error-statuscode": "400", "ms-azureml-model-error-reason": "model_error"},
    ),
    "424 model's 429": Row(
        424,
        "model is busy\n" + HELP,
        RateLimitError,
        "model is busy",
        "not ready",
        retryable=True,
        headers={"ms-azureml-model-error-statuscode": "429", "retry-after": "3"},
        retry_after=3,
    ),
    "424 content safety": Row(
        424,
        '{"error":{"code":"Bad Request","message":"request input violates azure ai content safety setting."}}',
        ContentFilterError,
        "request input violates azure ai content safety setting.",
        "Reword the prompt",
        code="Bad Request",
        headers={"ms-azureml-model-error-statuscode": "400"},
    ),
    "429 Foundry": Row(
        429,
        '{"error":{"code":"429","message": "Rate limit is exceeded. Try again in 2 seconds."}}',
        RateLimitError,
        "Rate limit is exceeded. Try again in 2 seconds.",
        "--max-wait",
        code="429",
        retryable=True,
        retry_after=2,
    ),
    "429 Azure OpenAI": Row(
        429,
        '{"error":{"code":"429","message":"Requests to the Completions_Create Operation under Azure OpenAI API version '
        "2024-02-01 have exceeded token rate limit of your current OpenAI S0 pricing tier. Please retry after 86400 "
        'seconds. Please go here"}}',
        RateLimitError,
        "Requests to the Completions_Create Operation under Azure OpenAI API version 2024-02-01 have exceeded token "
        "rate limit of your current OpenAI S0 pricing tier. Please retry after 86400 seconds. Please go here",
        "--max-wait",
        code="429",
        retryable=True,
        retry_after=86400,
    ),
    "429 help text alone": Row(429, HELP, RateLimitError, "Too Many Requests", "--max-wait", retryable=True),
    "431": Row(431, "", RejectedError, "Request Header Fields Too Large", "-H"),
    "500 front": Row(
        500,
        '{ "statusCode": 500, "message": "Internal server error", "activityId": "a-1" }',
        ServerError,
        "Internal server error",
        "--retries",
        retryable=True,
    ),
    "500 managed": Row(
        500,
        '{"error":{"code":"Internal Server Error","message":"An error occurred during the request processing: x",'
        '"status":500}}',
        ServerError,
        "An error occurred during the request processing: x",
        "try again later",
        code="Internal Server Error",
        retryable=True,
    ),
    "501": Row(501, "", ServerError, "Not Implemented", "does not support this request"),
    "502": Row(
        502,
        '{"error":"Downstream unavailable"}',
        ServerError,
        "Downstream unavailable",
        "try again later",
        retryable=True,
    ),
    "503 empty": Row(503, " \r\n", ServerError, "Service Unavailable", "try again later", retryable=True),
    "504 HTML": Row(504, NGINX, ServerError, "Gateway Time-out", "try again later", retryable=True),
}
