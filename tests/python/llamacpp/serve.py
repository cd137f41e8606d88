"""Serves a model with the llama.cpp server: `python serve.py tiny.gguf`, until its stdin closes. With `--vectors` it makes
vectors and nothing else.

Prints `ready http://127.0.0.1:PORT`, a free port of the kernel's choice.
"""

import sys

import xllamacpp


def main():
    params = xllamacpp.CommonParams()
    params.model.path = sys.argv[1]
    params.port = 0
    params.n_ctx = 2048
    params.n_parallel = 4
    params.cpuparams.n_threads = 1
    params.endpoint_metrics = True
    params.warmup = False
    if "--vectors" in sys.argv:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(params)
    print(f"ready {server.listening_address}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
