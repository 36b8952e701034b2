"""Manifest files: YAML documents as Kubernetes tools read them, each with its place."""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

_TIMESTAMP: Final = "tag:yaml.org,2002:timestamp"


@dataclass(frozen=True, slots=True)
class Document:
    """One object of a manifest file."""

    file: str
    """Name of the file, as the user wrote it."""
    number: int
    """Position in the file, from 1; the items of a List share theirs."""
    body: dict[str, Any]


class ManifestError(ValueError):
    """A file is no YAML that Kubernetes tools would take; the message begins with the place."""


class _Loader(yaml.SafeLoader):
    """Reads what Kubernetes reads: dates stay text, and a key stands only once in an object."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return an object; raises a YAML error at the second of two equal keys."""
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    problem = f"the key {key.value} stands there twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep=deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in resolvers if tag != _TIMESTAMP]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def read_documents(file: str, text: str) -> Iterator[Document]:
    """Yield the objects of a file; empty documents are passed over, Lists are opened.

    Raises
    ------
    ManifestError
        If the text is not YAML, or holds something else than objects.
    """
    try:
        for number, data in enumerate(yaml.load_all(text, Loader=_Loader), start=1):
            yield from _objects(file, number, data)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ManifestError(f"{file}: line {line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise ManifestError(f"{file}: not YAML: {error}") from error


def _objects(file: str, number: int, data: Any) -> Iterator[Document]:
    if data is None:
        return
    if not isinstance(data, dict):
        raise ManifestError(f"{file}: document {number} is not an object")
    if data.get("kind") == "List" and isinstance(data.get("items"), list):
        for item in data["items"]:
            yield from _objects(file, number, item)
        return
    yield Document(file, number, data)
