"""Classifiers over reloads: what has not changed keeps what it knows, and what cannot be read is refused."""

import msgspec
import pytest
from artefacts import by_length

from harness import StartRouter, StartUpstream, backend, chat, config, policy, request
from signalbox.router.serving.classifiers.counted import sources_of
from signalbox.router.wire.errors import ConfigRejectedError
from signalbox.routing.config import Classifier, Labelled, Llm, Policy, Route, Select, Trained

TRAINED = Classifier(
    name="difficulty",
    labels=("small", "strong"),
    default="strong",
    source=Trained(model=by_length("small", "strong")),
)
AS_NAMED = tuple(Labelled(label=name, target=name) for name in TRAINED.labels)
PICKED = Classifier(name="kind", labels=("small", "strong"), default="strong", source=Llm(target="small"))


def with_classifiers(*classifiers: Classifier) -> Policy:
    small, strong = (backend([], name=name) for name in ("small", "strong"))
    return policy(small, strong, classifiers=classifiers)


def test_what_has_not_changed_is_kept() -> None:
    before = sources_of(with_classifiers(TRAINED, PICKED), {})
    other = msgspec.structs.replace(PICKED, default="small")
    after = sources_of(with_classifiers(TRAINED, other), before)
    assert after["difficulty"] is before["difficulty"]
    assert after["kind"][1] is not before["kind"][1]
    assert sources_of(with_classifiers(), after) == {}


async def test_an_artefact_that_is_none_is_refused_and_the_last_good_one_serves(
    start_router: StartRouter, start_upstream: StartUpstream
) -> None:
    upstreams = [await start_upstream(name) for name in ("small", "strong")]
    backends = [backend(each) for each in upstreams]
    choosing = policy(
        *backends,
        classifiers=(TRAINED,),
        routes=(Route(name="best", strategy=Select(by="difficulty", targets=AS_NAMED)),),
    )
    router = await start_router(config(choosing, *backends))
    nonsense = msgspec.structs.replace(TRAINED, source=Trained(model=b"nonsense"))
    broken = msgspec.structs.replace(choosing, classifiers=(nonsense,))
    with pytest.raises(ConfigRejectedError, match="no classifier of Signalbox"):
        router.configure(config(broken, *backends))
    client = await router.connect()
    answer = await client.ask(request(body=chat(text="Hi")))
    assert answer.header("x-signalbox-target") == b"small"
