//! The same for clients of OpenAI's legacy completions.

use super::places::V;
use super::sweep::{Asked, at, echoed, nothing_leaves, number, refused};
use tests::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_planted_leaves_from_any_place_of_a_completions_request() {
    let places = vec![
        echoed(at("prompt", json!({"prompt": format!("请联系 {V} 谢谢")}))),
        at(
            "one of several prompts",
            json!({"prompt": ["a", format!("reach {V}")]}),
        ),
        at("suffix", json!({"suffix": format!(" or {V}")})),
        at("stop", json!({"stop": ["x", V]})),
        at("user", json!({"user": V})),
        at("a bias", json!({"logit_bias": {V: 1}})),
        at("a temperature that is no number", json!({"temperature": V})),
        at("logprobs that are no number", json!({"logprobs": V})),
        at("an unknown field", json!({"x_extra": V})),
        at(
            "an unknown field, deep",
            json!({"x": {"y": [[{"z": [V]}]]}}),
        ),
        at("a model in an unknown field", json!({"x": {"model": V}})),
        number(at("a seed in an unknown field", json!({"x": {"seed": V}}))),
        at("an unknown field's own name", json!({V: 1})),
        number(at(
            "an unknown field, a number",
            json!({"x": {"phone": [V, 1]}}),
        )),
        refused(at("a prompt that is none", json!({"prompt": {"text": V}}))),
        refused(number(at("token ids", json!({"prompt": [V]})))),
    ];
    nothing_leaves(Asked {
        path: "/v1/completions",
        base: json!({"prompt": "hello"}),
        before: &["vllm", "anthropic", "tongyi", "openai"],
        places,
        seed: 0x5EED_00C0,
    })
    .await;
}
