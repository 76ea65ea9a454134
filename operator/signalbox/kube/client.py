"""Requests to the API server. Objects are dictionaries: most of what is read is not ours to model."""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeVar

import aiohttp
import msgspec

from signalbox.kube.access import Access
from signalbox.kube.errors import SILENT, ApiError
from signalbox.kube.listed import Listed, Page
from signalbox.kube.resources import BY_KIND, Resource

Object = dict[str, Any]
Decoded = TypeVar("Decoded")

SECONDS = 30.0
CONNECT_SECONDS = 5.0
CONNECTIONS = 32
PAGE = 500
# A field that the server does not know is a mistake that somebody should hear of.
STRICT = {"fieldValidation": "Strict"}
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
# Of an object nothing but its metadata: that of a Secret may be watched by who must not hold its content.
METADATA_ONLY = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


# The verb, the resource (with its subresource), and the HTTP status, 0 where there was no answer.
Told = Callable[[str, str, int], None]


class Client:
    """Connections to one API server; ``told`` hears of each request. Every method raises ``ApiError``.

    Requests beyond ``connections`` wait for each other: whoever must not wait for others has a client of his own.
    """

    def __init__(
        self, access: Access, told: Told = lambda verb, resource, status: None, connections: int = CONNECTIONS
    ) -> None:
        self._access, self._told = access, told
        timeout = aiohttp.ClientTimeout(total=SECONDS, connect=CONNECT_SECONDS)
        connector = aiohttp.TCPConnector(ssl=access.context, limit=connections)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout)
        # A watch keeps its connection, and there are several for each namespace: they must not use up the others'.
        self._streams = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=access.context, limit=0))

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        await self._streams.close()

    async def get(self, resource: Resource, namespace: str, name: str) -> Object | None:
        """An object, or None where it does not exist."""
        try:
            return await self._call("GET", resource.path(namespace, name), ("get", resource.plural))
        except ApiError as error:
            if error.not_found:
                return None
            raise

    async def list(
        self, resource: Resource, namespace: str | None = None, *, metadata_only: bool = False, **query: str
    ) -> tuple[Listed, str]:
        """All objects, and the resource version to watch from; read in pages."""
        pages: list[Page] = []
        headers = {"accept": METADATA_LIST} if metadata_only else {}
        page: dict[str, str] = {"limit": str(PAGE)}
        while True:
            what = "list", resource.plural
            data = await self._send("GET", resource.path(namespace), what, headers=headers, query={**query, **page})
            pages.append(_decoded(data, Page, what))
            page["continue"] = pages[-1].metadata.get("continue", "")
            if not page["continue"]:
                return Listed(resource, pages), pages[-1].metadata["resourceVersion"]

    async def create(self, manifest: Object, manager: str) -> Object:
        """Create an object; it must not exist."""
        what = "create", BY_KIND[manifest["kind"]].plural
        query = {"fieldManager": manager, **STRICT}
        return await self._call("POST", _path(manifest, named=False), what, body=manifest, query=query)

    async def review(self, resource: Resource, spec: Object) -> Object:
        """Ask something: nothing is created but the answer."""
        body = {"apiVersion": resource.api_version, "kind": resource.kind, "spec": spec}
        return await self._call("POST", resource.path(), ("review", resource.plural), body=body)

    async def apply(self, manifest: Object, manager: str) -> Object:
        """Server-side apply, by force: what the manifest says is ours."""
        query = {"fieldManager": manager, "force": "true", **STRICT}
        headers = {"content-type": APPLY}
        what = "apply", BY_KIND[manifest["kind"]].plural
        return await self._call("PATCH", _path(manifest), what, body=manifest, headers=headers, query=query)

    async def patch_status(self, resource: Resource, namespace: str, name: str, status: Object) -> Object:
        """Replace what is named of a status, and nothing else."""
        path = resource.path(namespace, name, "status")
        what = "patch", f"{resource.plural}/status"
        return await self._call("PATCH", path, what, body={"status": status}, headers={"content-type": MERGE})

    async def patch(self, resource: Resource, namespace: str, name: str, change: Object, manager: str) -> Object:
        """Merge a change."""
        headers, query = {"content-type": MERGE}, {"fieldManager": manager}
        path, what = resource.path(namespace, name), ("patch", resource.plural)
        return await self._call("PATCH", path, what, body=change, headers=headers, query=query)

    async def replace(self, resource: Resource, obj: Object) -> Object:
        """Put an object in the place of the very version of it that was read; another one is a conflict."""
        metadata = obj["metadata"]
        path, what = resource.path(metadata["namespace"], metadata["name"]), ("replace", resource.plural)
        return await self._call("PUT", path, what, body=obj)

    async def delete(self, resource: Resource, namespace: str, name: str, uid: str) -> None:
        """Delete this very object, not another of its name; gone already is as good."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
        try:
            await self._call("DELETE", resource.path(namespace, name), ("delete", resource.plural), body=body)
        except ApiError as error:
            if not error.not_found:
                raise

    async def watch(
        self,
        resource: Resource,
        namespace: str | None,
        version: str,
        *,
        seconds: float,
        silence: float,
        metadata_only: bool = False,
        **query: str,
    ) -> AsyncIterator[tuple[str, Object]]:
        """Changes since a version: their type and object. Ends when the server ends it, after ``seconds`` at most.

        A connection on which nothing comes for ``silence`` seconds counts as dead, though it may not be: of a kind of
        which there was never an object, the server sends no bookmarks either.
        """
        query |= {"watch": "1", "resourceVersion": version, "allowWatchBookmarks": "true"}
        query["timeoutSeconds"] = str(max(1, round(seconds)))
        headers = self._access.headers() | ({"accept": METADATA_ONLY} if metadata_only else {})
        timeout = aiohttp.ClientTimeout(total=seconds + SECONDS, connect=CONNECT_SECONDS, sock_read=silence)
        url = self._access.server + resource.path(namespace)
        try:
            async with self._streams.get(url, params=query, headers=headers, timeout=timeout) as response:
                self._told("watch", resource.plural, response.status)
                if response.status >= 400:
                    raise await self._refused(response)
                try:
                    async for event in _events(response.content):
                        yield event
                except aiohttp.SocketTimeoutError:
                    raise ApiError(0, SILENT, f"watching {resource.plural}: nothing for {silence:.0f} s") from None
                finally:
                    if response.connection is not None and response.connection.transport is not None:
                        response.connection.transport.abort()  # a dead peer would never say goodbye
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise ApiError(0, "Unreachable", f"watching {resource.plural}: {type(error).__name__}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise ApiError(0, "Malformed", f"watching {resource.plural}: no event: {type(error).__name__}") from error

    async def _call(self, method: str, path: str, what: tuple[str, str], **rest: Any) -> Object:
        """The object that is the answer."""
        return _decoded(await self._send(method, path, what, **rest), dict[str, Any], what)

    async def _send(
        self,
        method: str,
        path: str,
        what: tuple[str, str],
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> bytes:
        sent = {**self._access.headers(), "content-type": "application/json", **(headers or {})}
        data = None if body is None else msgspec.json.encode(body)
        try:
            async with self._session.request(
                method, self._access.server + path, data=data, headers=sent, params=query
            ) as response:
                self._told(*what, response.status)
                if response.status >= 400:
                    raise await self._refused(response)
                return await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._told(*what, 0)
            raise ApiError(0, "Unreachable", f"{method} {path}: {type(error).__name__}: {error}") from error

    async def _refused(self, response: aiohttp.ClientResponse) -> ApiError:
        """What the server said. Where it does not know us, our token may just have been replaced by another."""
        if response.status == 401:
            self._access.renew()
        return await _error(response)


def _decoded(data: bytes, kind: type[Decoded], what: tuple[str, str]) -> Decoded:
    try:
        return msgspec.json.decode(data, type=kind)
    except ValueError as error:
        raise ApiError(0, "Malformed", f"{' '.join(what)}: the answer is no JSON") from error


async def _events(content: aiohttp.StreamReader) -> AsyncIterator[tuple[str, Object]]:
    """The events of a stream. Lines may be longer than aiohttp would read as one."""
    buffer = b""
    async for chunk in content.iter_any():
        *lines, buffer = (buffer + chunk).split(b"\n")
        for line in lines:
            event = msgspec.json.decode(line)
            if event["type"] == "ERROR":
                status = event["object"]
                raise ApiError(status.get("code", 0), status.get("reason", ""), status.get("message", ""))
            yield event["type"], event["object"]


def _path(manifest: Object, *, named: bool = True) -> str:
    metadata = manifest["metadata"]
    return BY_KIND[manifest["kind"]].path(metadata.get("namespace"), metadata["name"] if named else None)


async def _error(response: aiohttp.ClientResponse) -> ApiError:
    text = await response.text()
    try:
        status = msgspec.json.decode(text)
        reason, message = str(status.get("reason", "")), str(status.get("message", ""))
    except (ValueError, AttributeError):
        reason, message = "", text[:500]
    after = response.headers.get("retry-after", "")
    return ApiError(response.status, reason, message or str(response.reason), float(after) if after.isdigit() else None)
