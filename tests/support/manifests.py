"""The corpus of good and bad monitors, one document a statement, named by its metadata.name."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from modelmonitor.cli.manifests import read_documents
from tests.conftest import GOLDEN

CORPUS = GOLDEN / "manifests"
GOOD = sorted((CORPUS / "good").glob("*.yaml"))
BAD = sorted((CORPUS / "bad").glob("*.yaml"))


def bodies(path: Path) -> list[dict[str, Any]]:
    """Return the monitors of a file of the corpus."""
    return [document.body for document in read_documents(path.name, path.read_text())]


def name_of(body: dict[str, Any]) -> str:
    """Return the name of a monitor, which says what is special about it."""
    return str(body["metadata"]["name"])


def validations(schema: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Yield every CEL rule of a schema."""
    yield from schema.get("x-kubernetes-validations", ())
    for field in schema.get("properties", {}).values():
        yield from validations(field)
    if "items" in schema:
        yield from validations(schema["items"])


def said_of_each(found: Mapping[str, Iterable[object]]) -> bytes:
    """Return a golden file's text: each name, and below it what was said of it."""
    lines: list[str] = []
    for name, said in found.items():
        lines += [name, *(f"  {each}" for each in said)]
    return "\n".join([*lines, ""]).encode()
