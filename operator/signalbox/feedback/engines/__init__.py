"""Engines by their kind: what each exports, and the reading that it becomes."""

from functools import lru_cache

from signalbox.feedback.engines.custom import custom
from signalbox.feedback.engines.llamacpp import LLAMA_CPP
from signalbox.feedback.engines.preset import Preset, Reader
from signalbox.feedback.engines.sglang import SGLANG
from signalbox.feedback.engines.vllm import VLLM
from signalbox.feedback.plan import Engine, Selectors

__all__ = ["Reader", "reader"]

PRESETS: dict[Engine, Preset] = {"VLLM": VLLM, "SGLang": SGLANG, "LlamaCpp": LLAMA_CPP}


@lru_cache(maxsize=1024)
def reader(engine: Engine, selectors: Selectors | None = None, model: str = "") -> Reader:
    """Who reads engines of a kind; the endpoints of a backend share one. Raises ``ValueError`` where a selector is
    none, or where there is nothing to read."""
    if engine == "Custom":
        return Reader(custom(selectors or Selectors()), model)
    if engine not in PRESETS:
        raise ValueError(f"an engine of kind {engine} has no metrics")
    return Reader(PRESETS[engine], model)
