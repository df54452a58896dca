"""Log-likelihoods by transformers on the CPU; a script, run by a Python that has torch, transformers and gguf.

`widen SOURCE.gguf TARGET.gguf` writes the same weights as 32-bit floats. `score MODEL.gguf` reads pairs of prompt and
continuation, as JSON, from stdin, and prints for each the ids and log-probabilities of the continuation's tokens.
"""

import json
import sys
from pathlib import Path
from typing import Any

_OWN_FIELDS = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")


def widen(source: str, target: str) -> None:
    """Write a model with its tensors as 32-bit floats."""
    import gguf

    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(target, "llama")
    for field in reader.fields.values():
        if not field.name.startswith(_OWN_FIELDS):
            is_array = field.types[0] == gguf.GGUFValueType.ARRAY
            writer.add_key_value(field.name, field.contents(), field.types[0], field.types[-1] if is_array else None)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type).astype("float32"))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def score(model_path: str) -> None:
    """Print the log-probabilities of the pairs on stdin."""
    import torch
    import transformers

    torch.set_grad_enabled(False)
    torch.set_num_threads(1)  # on a busy machine several spend their time waiting for each other
    path = Path(model_path)
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32, attn_implementation="eager"
    )
    found = [_pair(torch, tokenizer, model, *pair) for pair in json.load(sys.stdin)]
    sys.stdout.write(json.dumps(found) + "\n")


def _pair(torch: Any, tokenizer: Any, model: Any, prompt: str, continuation: str) -> dict[str, Any]:
    ids = tokenizer(prompt + continuation, add_special_tokens=False)["input_ids"]
    # The tokens that do not end within the prompt, by their bytes.
    boundary, start, covered = len(prompt.encode()), 0, 0
    while covered + (size := len(_bytes(tokenizer, ids[start]))) <= boundary:
        covered += size
        start += 1
    first = max(start, 1)
    # Of a long prompt only the last places are wanted: the whole vocabulary in each of them is what costs.
    logits = model(torch.tensor([ids[:-1]]), logits_to_keep=len(ids) - first).logits[0].double()
    known = torch.log_softmax(logits, dim=-1)
    figures = [float(known[at - first, ids[at]]) for at in range(first, len(ids))]
    greedy = all(int(known[at - first].argmax()) == ids[at] for at in range(first, len(ids)))
    return {"ids": ids[start:], "figures": figures, "greedy": greedy, "merged": covered < boundary}


def _bytes(tokenizer: Any, number: int) -> bytes:
    """Return the bytes of a token: those of byte-level BPE are spelled in an alphabet of printable characters."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    spelled = tokenizer.convert_ids_to_tokens(number)
    alphabet = {character: byte for byte, character in bytes_to_unicode().items()}
    return bytes(alphabet[character] for character in spelled)


if __name__ == "__main__":
    if sys.argv[1] == "widen":
        widen(*sys.argv[2:])
    else:
        score(sys.argv[2])
