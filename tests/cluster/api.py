"""A small client of the API server, for tests: objects as dictionaries, and what the server answered when it refused.

Tests of the operator need another client than the operator's: a defect in that one must not hide itself.
"""

import ssl
from typing import Any
from urllib.parse import urlsplit

import httpx

from cluster.kubeconfig import Access

Object = dict[str, Any]
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class ApiError(Exception):
    """The server refused; ``status`` is its Status object."""

    def __init__(self, response: httpx.Response) -> None:
        try:
            self.status: Object = response.json()
        except ValueError:
            self.status = {"message": response.text}
        self.code = response.status_code
        super().__init__(f"{response.request.method} {response.request.url}: {self.code} {self.message}")

    @property
    def message(self) -> str:
        return str(self.status.get("message", ""))

    @property
    def reason(self) -> str:
        """Such as ``Invalid`` or ``NotFound``."""
        return str(self.status.get("reason", ""))

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Field and message of each fault found in an object."""
        details = self.status.get("details") or {}
        return [(cause.get("field", ""), cause.get("message", "")) for cause in details.get("causes", ())]


class Api:
    """Requests as one user. ``http`` is the bare client, for what has no method here."""

    def __init__(self, access: Access) -> None:
        context = ssl.create_default_context(cafile=access.ca)
        if access.client:
            context.load_cert_chain(access.client.certificate, access.client.key)
        headers = {"authorization": f"Bearer {access.token}"} if access.token else {}
        environment = urlsplit(access.server).hostname not in LOOPBACK  # a proxy cannot reach this machine's own ports
        self.http = httpx.Client(
            base_url=access.server, verify=context, headers=headers, trust_env=environment, timeout=60
        )
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def call(self, method: str, path: str, body: Any = None, content_type: str = "", **query: Any) -> Any:
        """One request; its answer as JSON. Raises ``ApiError``."""
        headers = {"content-type": content_type} if content_type else {}
        response = self.http.request(method, path, json=body, headers=headers, params=query)
        if response.is_error:
            raise ApiError(response)
        return response.json()

    def get(self, version: str, kind: str, name: str, namespace: str | None = None) -> Object:
        """One object."""
        return self.call("GET", self.path(version, kind, namespace, name))

    def list(self, version: str, kind: str, namespace: str | None = None, **query: Any) -> list[Object]:
        """The objects of a kind; without a namespace those of all namespaces."""
        return self.call("GET", self.path(version, kind, namespace), **query)["items"]

    def create(self, obj: Object, namespace: str | None = None, **query: Any) -> Object:
        """Create an object."""
        return self.call("POST", self.path_of(obj, namespace, named=False), obj, **query)

    def apply(self, obj: Object, namespace: str | None = None, manager: str = "test", **query: Any) -> Object:
        """Apply an object on the server's side."""
        parameters = {"fieldManager": manager, "fieldValidation": "Strict", **query}
        return self.call("PATCH", self.path_of(obj, namespace), obj, APPLY, **parameters)

    def replace(self, obj: Object, **query: Any) -> Object:
        """Put an object in the place of what is there."""
        return self.call("PUT", self.path_of(obj, None), obj, **query)

    def patch(
        self, version: str, kind: str, name: str, change: Object, namespace: str | None = None, part: str = ""
    ) -> Object:
        """Merge a change into an object, or into a part of it such as ``status``."""
        path = self.path(version, kind, namespace, name)
        return self.call("PATCH", f"{path}/{part}" if part else path, change, MERGE)

    def delete(self, version: str, kind: str, name: str, namespace: str | None = None, **query: Any) -> None:
        """Delete an object."""
        self.call("DELETE", self.path(version, kind, namespace, name), **query)

    def token(self, account: str, namespace: str, *audiences: str, seconds: int = 3600, **bound: Object) -> str:
        """A token of a ServiceAccount; ``boundObjectRef={…}`` binds it to a pod."""
        spec: Object = {"audiences": list(audiences), "expirationSeconds": seconds, **bound}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token"
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return self.call("POST", path, body)["status"]["token"]

    def path_of(self, obj: Object, namespace: str | None, *, named: bool = True) -> str:
        """Where an object lives; the namespace that it names itself comes first."""
        metadata = obj["metadata"]
        where = metadata.get("namespace", namespace)
        return self.path(obj["apiVersion"], obj["kind"], where, metadata["name"] if named else None)

    def path(self, version: str, kind: str, namespace: str | None = None, name: str | None = None) -> str:
        """The path of an object, or of all objects of a kind; the namespace of a kind that has none is ignored."""
        base = f"/apis/{version}" if "/" in version else f"/api/{version}"
        plural, namespaced = self._resource(base, kind)
        inside = f"/namespaces/{namespace}" if namespaced and namespace else ""
        return f"{base}{inside}/{plural}" + (f"/{name}" if name else "")

    def _resource(self, base: str, kind: str) -> tuple[str, bool]:
        if (base, kind) not in self._resources:
            for each in self.call("GET", base)["resources"]:
                if "/" not in each["name"]:
                    self._resources[base, each["kind"]] = each["name"], each["namespaced"]
        if (base, kind) not in self._resources:
            raise LookupError(f"the API server knows no {kind} in {base}")
        return self._resources[base, kind]
