"""Writes a llama model too small to mean anything: `python make_model.py tiny.gguf`.

Two layers, 64 wide, random but always the same weights, a vocabulary of 256 bytes and a few whole words. Its text is
noise, and since most tokens are single bytes, much of it is no UTF-8: a good guest for a gateway.
"""

import sys

import gguf
import numpy

WIDTH = 64
HEADS = 4
LAYERS = 2
FEED_FORWARD = 128
CONTEXT = 2048
SEED = 20261123

# Ids 0 to 2 are <unk>, <s>, </s>; 3 to 258 the bytes; then these.
WORDS = ["▁", "▁gate", "▁model", "▁data", "玉", "门", "数据", "模型", "，", "。", *"abcdefghijklmnopqrstuvwxyz"]

CHAT_TEMPLATE = (
    "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


def vocabulary():
    kinds = gguf.TokenType
    special = [(b"<unk>", kinds.UNKNOWN), (b"<s>", kinds.CONTROL), (b"</s>", kinds.CONTROL)]
    plain = [(f"<0x{byte:02X}>".encode(), kinds.BYTE) for byte in range(256)]
    words = [(word.encode(), kinds.NORMAL) for word in WORDS]
    return [*special, *plain, *words]


def write(path):
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("yumen-test-noise")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(LAYERS)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    add_vocabulary(writer)
    add_weights(writer)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_vocabulary(writer):
    tokens = vocabulary()
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([text for text, _ in tokens])
    writer.add_token_types([kind for _, kind in tokens])
    # Longer words first: a score that falls with the id.
    writer.add_token_scores([0.0 if at < 259 else -float(at) for at in range(len(tokens))])
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_chat_template(CHAT_TEMPLATE)


def add_weights(writer):
    random = numpy.random.default_rng(SEED)

    def matrix(name, rows, columns):
        writer.add_tensor(name, random.normal(0, 0.06, (rows, columns)).astype(numpy.float32))

    def norm(name):
        writer.add_tensor(name, numpy.ones(WIDTH, numpy.float32))

    rows = len(vocabulary())
    matrix("token_embd.weight", rows, WIDTH)
    matrix("output.weight", rows, WIDTH)
    norm("output_norm.weight")
    for layer in range(LAYERS):
        block = f"blk.{layer}"
        norm(f"{block}.attn_norm.weight")
        norm(f"{block}.ffn_norm.weight")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            matrix(f"{block}.{part}.weight", WIDTH, WIDTH)
        matrix(f"{block}.ffn_gate.weight", FEED_FORWARD, WIDTH)
        matrix(f"{block}.ffn_up.weight", FEED_FORWARD, WIDTH)
        matrix(f"{block}.ffn_down.weight", WIDTH, FEED_FORWARD)


if __name__ == "__main__":
    write(sys.argv[1])
