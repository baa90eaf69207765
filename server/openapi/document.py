"""From the table of routes to an OpenAPI 3.1 document."""

import re
from collections.abc import Iterable, Mapping
from inspect import getdoc
from typing import Any, Protocol

from server.openapi.shapes import ANSWERS, REQUESTS

PLAIN: dict[type, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
}
QUERIES = {
    "environment": "Which environment; where only one is configured it may be left out.",
    "deployment": "The deployment that serves the database, where the server cannot tell.",
    "apply_id": "One apply, instead of the newest.",
    "limit": "How many of the newest entries: of a log 50, of applies 20, unless it is a number above 0.",
    "state": "Only applies in this state.",
    "failed": "`true`: only applies that failed, or will be tried again.",
    "active": "`true`: only applies that are neither over nor stopped.",
    "last": "Only applies that changed in this time, such as `24h` or `90m`.",
    "type": "Only databases of this type.",
    "name": "Only databases with this in their name.",
}


class Described(Protocol):
    """What the document needs to know of a route."""

    @property
    def method(self) -> str: ...
    @property
    def pattern(self) -> str: ...
    @property
    def function(self) -> object: ...
    @property
    def needs(self) -> str: ...
    @property
    def query(self) -> tuple[str, ...]: ...
    @property
    def takes(self) -> str: ...
    @property
    def gives(self) -> str: ...


def document(routes: Iterable[Described], without_token: frozenset[str], version: str) -> dict[str, Any]:
    """The document of the *routes* that say what they give; the others are no part of the API."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if route.gives:
            operation = _operation(route, free=route.pattern in without_token)
            paths.setdefault(route.pattern, {})[route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SchemaBot",
            "version": version,
            "description": "Plan schema changes, apply them, watch and command them. docs/api.md tells it with examples.",
        },
        "paths": paths,
        "components": {
            "schemas": {name: schema(shape) for name, shape in sorted({**REQUESTS, **ANSWERS}.items())},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}, {}],
    }


def schema(shape: Any) -> dict[str, Any]:
    """The JSON Schema of a shape (see server/openapi/shapes.py)."""
    if isinstance(shape, type):
        return dict(PLAIN[shape])
    if isinstance(shape, str):
        return {"$ref": f"#/components/schemas/{shape}"}
    if isinstance(shape, tuple):
        return {"type": "string", "enum": list(shape)}
    if isinstance(shape, list):
        return {"type": "array", "items": schema(shape[0])}
    if "type" in shape and isinstance(shape["type"], str):
        return dict(shape)
    if "*" in shape:
        return {"type": "object", "additionalProperties": schema(shape["*"])}
    return _object(shape)


def _object(shape: Mapping[str, Any]) -> dict[str, Any]:
    required = [name for name in shape if not name.endswith("?")]
    properties = {name.removesuffix("?"): schema(inner) for name, inner in shape.items()}
    return {"type": "object", "properties": properties, **({"required": required} if required else {})}


def _operation(route: Described, *, free: bool) -> dict[str, Any]:
    text = getdoc(route.function) or ""
    name = re.sub(r"[^a-z]+", "_", f"{route.method} {route.pattern}".lower()).strip("_")
    found: dict[str, Any] = {
        "operationId": name,
        "summary": text.split("\n")[0],
        "description": f"Needs the role `{route.needs}`." if not free else "Needs no token.",
        "parameters": [*_path_parameters(route.pattern), *map(_query_parameter, route.query)],
        "responses": _responses(route),
    }
    if route.takes:
        content = {"application/json": {"schema": schema(route.takes)}}
        found["requestBody"] = {"required": True, "content": content}
    if free:
        found["security"] = []
    return found


def _path_parameters(pattern: str) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)\}", pattern)
    text = {"type": "string", "minLength": 1}
    return [{"name": name, "in": "path", "required": True, "schema": text} for name in names]


def _query_parameter(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": QUERIES[name],
        "schema": {"type": "string"},
    }


def _responses(route: Described) -> dict[str, Any]:
    error = _json("Error")
    text = {"text/plain": {"schema": {"type": "string"}}}
    answered = text if route.gives == "text" else _json(route.gives)
    found = {
        "200": {"description": "Answered.", "content": answered},
        "404": {
            "description": "There is no such thing; in plain text: no such path.",
            "content": {**error, **text},
        },
        "default": {"description": "Refused or failed; the text says why.", "content": error},
    }
    if route.pattern == "/api/locks/acquire":
        found["409"] = {"description": "Somebody else holds the lock.", "content": _json("LockConflict")}
    return found


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": schema(name)}}
