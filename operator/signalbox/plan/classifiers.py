"""The classifiers of a policy, compiled."""

from signalbox.api.classifiers import Classifier
from signalbox.plan.classifier_services import path_of, service_name
from signalbox.routing import config


def classifier_of(policy: str, classifier: Classifier, model: bytes = b"") -> config.Classifier:
    """What the router reads, with the model that was learned."""
    source: config.Trained | config.Llm | config.Http
    if classifier.trained is not None:
        source = config.Trained(model=model)
    elif classifier.llm is not None:
        llm = classifier.llm
        descriptions = {each.label: each.text for each in llm.descriptions or ()}
        source = config.Llm(target=llm.target, prompt=llm.prompt or "", descriptions=descriptions)
    else:
        assert classifier.http is not None
        source = config.Http(service=service_name(policy, classifier.name), path=path_of(classifier.http))
    return config.Classifier(
        name=classifier.name,
        labels=tuple(classifier.labels),
        default=classifier.default,
        source=source,
        timeout_ms=classifier.timeout_in_force.milliseconds,
        min_confidence_percent=classifier.min_confidence_percent or 0,
    )
