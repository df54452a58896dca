"""llama.cpp's server on a free port; a script. Prints its address, and ends when its stdin does.

Arguments: the model, and `exact` for a cache of 32-bit floats without flash attention, or `default`.
"""

import os
import sys

import xllamacpp


def main() -> None:
    """Serve until stdin ends."""
    model, precision = sys.argv[1:]
    answer = os.dup(1)
    os.dup2(2, 1)
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx = 4096
    params.n_parallel = 1
    # On a busy machine several threads spend their time waiting for each other, at full speed.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
    params.warmup = False
    params.ui = False
    params.offline = True
    params.verbosity = 1
    if precision == "exact":
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    server = xllamacpp.Server(params)
    os.write(answer, f"{server.listening_address}\n".encode())
    while os.read(0, 1 << 12):
        pass
    os._exit(0)


main()
