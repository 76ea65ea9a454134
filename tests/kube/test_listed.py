"""What a list held: every object as a watch would show it."""

import msgspec

from signalbox.kube.listed import Listed, Page
from signalbox.kube.resources import SECRETS


def test_objects_come_one_by_one_as_often_as_they_are_asked_for() -> None:
    pages = [
        b'{"metadata": {"resourceVersion": "1"}, "items": [{"metadata": {"name": "a"}}]}',
        b'{"metadata": {}, "items": [{"kind": "Other", "metadata": {"name": "b"}}], "kind": "SecretList"}',
        b'{"metadata": {}, "items": null}',
    ]
    found = Listed(SECRETS, (msgspec.json.decode(page, type=Page) for page in pages))
    wanted = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}},
        {"apiVersion": "v1", "kind": "Other", "metadata": {"name": "b"}},
    ]
    assert list(found) == list(found) == wanted
    assert len(found) == 2
    assert wanted[0] in found
    assert {"metadata": {"name": "a"}} not in found
