"""The kinds of upstream that the SDK is driven through, and what each can and cannot do.

One row per kind. A test asks the row, never the name, so that a new vendor is a new row. What a vendor lacks is told by
its protocol description, not by what the gateway happens to do.
"""

from dataclasses import dataclass, field

from support import (
    BCE_ACCESS_KEY,
    BCE_SECRET_KEY,
    BEDROCK_ACCESS_KEY,
    BEDROCK_SECRET_KEY,
    BLUELM_APP,
    BLUELM_KEY,
    GLM_KEY,
    PANGU_PROJECT,
    SENSENOVA_ACCESS_KEY,
    SENSENOVA_SECRET_KEY,
    SPARK_APP,
    SPARK_KEY,
    SPARK_SECRET,
)

# Endings of the simulator's model names, each a fault or an oddity: see the simulator's README. The model `m@html` of
# the gateway goes to the model `m@html` of the upstream.
ENDINGS = [
    "",
    "@status:500",
    "@status:503",
    "@status:429@retryafter:1",
    "@status:429@retryafter:3",
    "@errorin200",
    "@html",
    "@redirect",
    "@reset",
    "@badjson:0",
    "@hang",
    "@slowfirst:300",
    "@errorevent:0",
    "@errorevent:4@gap:20",
    "@badjson:4@gap:20",
    "@cutevent:4@gap:20",
    "@cutevent:0",
    "@split:1",
    "@crlf",
    "@ascii",
    "@ping:1",
    "@piece:1",
    "@dupfinal",
    "@nodone",
    "@jsonstream",
    "@usage:none",
    "@usage:each",
    "@recall",
    "@events:400@gap:10",
]


@dataclass(frozen=True)
class Upstream:
    """A provider at the simulator, as the config has it, and its traits."""

    name: str
    provider: dict
    path: str
    # The vendor's codes of two errors that have a code of their own in our list; None: it has none.
    too_long: str | None
    filtered: str | None
    # Chunks reach the client as the vendor wrote them (same dialect), or newly written (translated).
    forwarded: bool = True
    # The name of the field that carries reasoning; None: the protocol has none.
    reasoning: str | None = "reasoning_content"
    # Tools can be offered at all.
    tools: bool = True
    # More than one tool call in a reply.
    parallel: bool = True
    # The request field `parallel_tool_calls` exists.
    parallel_field: bool = True
    # `tool_choice: required` exists.
    required_tool: bool = True
    images: bool = True
    choices: bool = True
    # None: passed over by the vendor without a word.
    logprobs: bool | None = True
    # Fields that nobody knows are passed over.
    unknown_fields: bool = True
    # Replies say how many tokens they took.
    counts: bool = True
    # Stop strings exist.
    stop: bool = True
    json_mode: bool = True
    # Replies say why they ended.
    reason: bool = True
    # An error for too many requests exists.
    limits: bool = True
    # An answer can be taken back by moderation.
    recall: bool = False
    # A comment stands before the first event.
    comment_first: bool = False
    # Results of tools have a role of their own.
    results: bool = True
    # A handshake comes before what is asked: what fails early fails before the vendor has heard it.
    handshake: bool = False
    # What the vendor calls a model that sees.
    vision_model: str = "m"
    # Chunks carry `object`; the SDK's stream helper passes over chunks that have none.
    object_in_chunks: bool = True
    credential: dict = field(default_factory=dict)

    def __str__(self):
        return self.name

    def config(self, sim_url, **more):
        return {**self.provider, "base_url": sim_url + self.path, **self.credential, **more}


# One of each protocol, and of each way to differ from OpenAI's own. All tests run over these; over the others, which
# speak as one of them does, only what asks their row: tests marked `each_vendor`.
UNLIKE = {
    "wenxin",
    "wenxin-v1",
    "tongyi",
    "glm",
    "llamacpp",
    "openai-compatible",
    "minimax-v2",
    "minimax-pro",
    "pangu",
    "sensenova-native",
    "spark",
    "spark-ws",
    "anthropic",
    "gemini",
    "bedrock",
}
# What an older SDK is tried with.
FEW = {"wenxin-v1", "tongyi", "glm", "openai-compatible"}


def vendor(name, **more):
    return {"vendor": name, "clearance": "internal", **more}


def local(name, **traits):
    """A runtime of one's own, with what most of them cannot do."""
    return Upstream(
        name, vendor(name, clearance="restricted"), f"/{name}", **{"too_long": "too_long", "filtered": None, **traits}
    )


def hosted(name, path=None, **traits):
    """A vendor whose surface has its own name, and any key."""
    return Upstream(name, vendor(name), path or f"/{name}/v1", **{"credential": ANY_KEY, **traits})


BCE_KEY = {"api_key": "bce-v3/ALTAK-fake/0001"}
ANY_KEY = {"api_key": "sk-fake-0001"}
PANGU = {**ANY_KEY, "auth": "app-code", "app_id": PANGU_PROJECT, "region": "cn-southwest-2"}
VLLM = {"too_long": "ContextLength", "reasoning": "reasoning"}
GLM = dict(
    path="/api/paas/v4",
    too_long="1261",
    filtered="1301",
    parallel_field=False,
    required_tool=False,
    choices=False,
    logprobs=False,
    # GLM's chunks have no `object`, and the gateway forwards them as they are.
    object_in_chunks=False,
    recall=True,
    credential={"api_key": GLM_KEY},
)

UPSTREAMS = [
    Upstream(
        "wenxin",
        vendor("wenxin"),
        "/v2",
        too_long="tokens_too_long",
        filtered="system_unsafe",
        recall=True,
        choices=False,
        logprobs=False,
        credential=BCE_KEY,
    ),
    Upstream(
        "wenxin-v1",
        vendor("wenxin-v1"),
        "",
        too_long="336103",
        filtered="336104",
        recall=True,
        json_mode=False,
        forwarded=False,
        reasoning=None,
        parallel=False,
        required_tool=False,
        images=False,
        choices=False,
        logprobs=False,
        credential={"api_key": BCE_ACCESS_KEY, "secret_key": BCE_SECRET_KEY},
    ),
    Upstream(
        "tongyi",
        vendor("tongyi"),
        "/api/v1",
        too_long=None,
        filtered="DataInspectionFailed",
        recall=True,
        forwarded=False,
        required_tool=False,
        logprobs=None,
        vision_model="qwen-vl-m",
        credential=ANY_KEY,
    ),
    Upstream(
        "tongyi-compatible",
        vendor("tongyi-compatible"),
        "/compatible-mode/v1",
        too_long=None,
        filtered="data_inspection_failed",
        recall=True,
        required_tool=False,
        credential=ANY_KEY,
    ),
    Upstream("glm", vendor("glm"), **GLM),
    Upstream("glm-jwt", vendor("glm", auth="jwt"), **GLM),
    Upstream(
        "vllm",
        vendor("vllm", clearance="restricted"),
        "/vllm",
        too_long="ContextLength",
        filtered=None,
        reasoning="reasoning",
    ),
    Upstream(
        "llamacpp",
        vendor("llamacpp", clearance="restricted"),
        "/llamacpp/v1",
        too_long="exceed_context_size_error",
        filtered=None,
        limits=False,
        comment_first=True,
    ),
    Upstream(
        "ollama",
        vendor("ollama", clearance="restricted"),
        "/ollama",
        too_long=None,
        filtered=None,
        reasoning="reasoning",
        parallel_field=False,
        required_tool=False,
        choices=False,
        logprobs=None,
    ),
    Upstream(
        "openai-compatible",
        vendor("openai-compatible"),
        "/openai/v1",
        too_long="context_length_exceeded",
        filtered="content_policy_violation",
        credential=ANY_KEY,
    ),
    Upstream(
        "deepseek",
        vendor("deepseek"),
        "/deepseek/v1",
        too_long="context_length",
        filtered="content_risk",
        parallel_field=False,
        choices=False,
        comment_first=True,
        credential=ANY_KEY,
    ),
    hosted("moonshot", too_long="too_long", filtered="content_filter", choices=False, logprobs=None),
    hosted("minimax", too_long="2013-context", filtered="1026", recall=True, choices=False, logprobs=None),
    hosted(
        "minimax-v2",
        too_long="2013-context",
        filtered="1026",
        recall=True,
        forwarded=False,
        choices=False,
        logprobs=None,
    ),
    hosted(
        "minimax-pro",
        too_long="2013-context",
        filtered="1026",
        recall=True,
        forwarded=False,
        reasoning=None,
        parallel=False,
        required_tool=False,
        images=False,
        choices=False,
        logprobs=False,
        stop=False,
        json_mode=False,
        credential={**ANY_KEY, "app_id": "group-0001"},
    ),
    hosted(
        "pangu",
        "/pangu",
        too_long="PANGU.3318",
        filtered=None,
        recall=True,
        forwarded=False,
        tools=False,
        choices=False,
        credential=PANGU,
    ),
    hosted(
        "pangu-v2",
        "/pangu-v2",
        too_long="PANGU.3318",
        filtered=None,
        recall=True,
        forwarded=False,
        choices=False,
        credential=PANGU,
    ),
    hosted("huawei-maas", too_long=None, filtered="ModelArts.81011", recall=True),
    hosted(
        "baichuan",
        too_long="too_long",
        filtered="content_filter",
        parallel_field=False,
        required_tool=False,
        images=False,
        choices=False,
        logprobs=False,
        stop=False,
    ),
    hosted(
        "doubao",
        "/doubao/api/v3",
        too_long="OutofContextError",
        filtered="InputTextSensitiveContentDetected",
        recall=True,
        choices=False,
    ),
    hosted("sensenova", too_long="too_long", filtered=None, logprobs=None),
    hosted(
        "sensenova-native",
        "/sensenova-native/v1/llm",
        too_long="3-context",
        filtered="17",
        recall=True,
        forwarded=False,
        parallel_field=False,
        images=False,
        logprobs=False,
        stop=False,
        json_mode=False,
        credential={"api_key": SENSENOVA_ACCESS_KEY, "secret_key": SENSENOVA_SECRET_KEY},
    ),
    hosted(
        "spark",
        too_long="10907",
        filtered="10013",
        forwarded=False,
        parallel_field=False,
        images=False,
        choices=False,
        logprobs=False,
        stop=False,
        reason=False,
    ),
    hosted(
        "spark-ws",
        "/spark-ws",
        too_long="10907",
        filtered="10013",
        forwarded=False,
        parallel=False,
        parallel_field=False,
        required_tool=False,
        images=False,
        choices=False,
        logprobs=False,
        stop=False,
        json_mode=False,
        reason=False,
        results=False,
        handshake=True,
        credential={"api_key": SPARK_KEY, "secret_key": SPARK_SECRET, "app_id": SPARK_APP},
    ),
    hosted(
        "bluelm-native",
        "/bluelm-native",
        too_long=None,
        filtered="1007",
        recall=True,
        forwarded=False,
        reasoning=None,
        tools=False,
        choices=False,
        logprobs=False,
        stop=False,
        json_mode=False,
        reason=False,
        counts=False,
        credential={"api_key": BLUELM_KEY, "app_id": BLUELM_APP},
    ),
    hosted("bluelm", too_long="context_length_exceeded", filtered="1007"),
    hosted(
        "mistral",
        too_long="3051",
        filtered="403",
        recall=True,
        forwarded=False,
        logprobs=False,
        unknown_fields=False,
    ),
    hosted("xai", too_long="too_long", filtered="safety"),
    hosted(
        "cohere",
        "/cohere/compatibility/v1",
        too_long="too_long",
        filtered="filtered",
        parallel_field=False,
        choices=False,
        logprobs=False,
    ),
    hosted(
        "azure-openai",
        "/azure-openai",
        too_long="context_length_exceeded",
        filtered="content_filter",
        recall=True,
    ),
    local("sglang", too_long="ContextLength"),
    local("tgi", parallel_field=False, choices=False),
    local("lmdeploy", too_long="ContextLength"),
    local("xinference"),
    local("mindie", parallel_field=False, choices=False),
    local("minicpm", **VLLM),
    local("sagegpt", **VLLM),
    local("ainnogc", **VLLM),
    local("xuanyuan", tools=False, images=False, **VLLM),
    local("medgpt", tools=False, images=False, **VLLM),
    hosted(
        "anthropic",
        "/anthropic",
        too_long="too_long",
        filtered="filtered",
        recall=True,
        forwarded=False,
        choices=False,
        logprobs=False,
        credential={"api_key": "sk-ant-fake-0001"},
    ),
    hosted(
        "bedrock",
        "/bedrock",
        too_long="too_long",
        filtered=None,
        recall=True,
        forwarded=False,
        parallel_field=False,
        choices=False,
        logprobs=False,
        credential={"api_key": BEDROCK_ACCESS_KEY, "secret_key": BEDROCK_SECRET_KEY, "region": "us-east-1"},
    ),
    hosted(
        "gemini",
        "/gemini/v1beta",
        too_long="too_long",
        filtered=None,
        recall=True,
        forwarded=False,
        parallel_field=False,
        logprobs=False,
    ),
]
