"""Engines that no preset knows: users name the series. Nobody says whether tokens are counted at every step or when a
request ends, so they are taken for late."""

from signalbox.feedback.engines.preset import Counters, Preset, Quantity, Source
from signalbox.feedback.exposition import selector
from signalbox.feedback.plan import Selectors


def custom(selectors: Selectors) -> Preset:
    """The preset that users wrote. Raises ``ValueError`` where a selector is none."""
    generated = _quantity(selectors.generated_tokens)
    return Preset(
        running=_quantity(selectors.running),
        waiting=_quantity(selectors.waiting),
        kv_usage=_quantity(selectors.kv_cache_usage),
        counters=(Counters(generated=generated, late=True),) if generated else (),
        models=False,
    )


def _quantity(text: str | None) -> Quantity:
    return ((Source(*selector(text)),),) if text is not None else ()
