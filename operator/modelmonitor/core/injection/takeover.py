"""What is changed in a pod's containers so that traffic comes to the collector.

Takeover by renumbering changes ports and the names in probes only. Takeover by swap tells the model
server another port, and only where it is certain that the server was told its port in this very
way: the value found must be the port's number. Takeover of Knative's user port tells queue-proxy.
Where that cannot be done safely, the reason and the fix are the error's message.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

Json = Mapping[str, Any]

KNATIVE_QUEUE_PROXY: Final = "queue-proxy"
USER_PORT: Final = "USER_PORT"
"""queue-proxy's variable with the port that it forwards to."""
SERVING_READINESS_PROBE: Final = "SERVING_READINESS_PROBE"
"""queue-proxy's variable with the probes of the user's containers, as JSON."""
_PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")
_HOOKS: Final = ("postStart", "preStop")
_HANDLERS: Final = ("httpGet", "tcpSocket", "grpc")


class TakeoverImpossibleError(ValueError):
    """A container cannot be changed safely; the message says why and what to write instead."""


@dataclass(frozen=True, slots=True)
class Knob:
    """How a model server is told its port: exactly one of the two."""

    variable: str = ""
    argument: str = ""


@dataclass(frozen=True, slots=True)
class Edit:
    """A new value at a place in a container."""

    path: str
    """JSON Pointer (RFC 6901) from the container on."""
    value: Any
    adds: bool = False
    """The place does not exist yet."""


def probe_edits(container: Json, name: str, to: int, number: int | None = None) -> Iterator[Edit]:
    """Yield what lets the container's probes and hooks ask for the model itself at a port.

    Parameters
    ----------
    container
        The model's; names in its probes mean its own ports.
    name
        Name of the port that they ask for.
    to
        Where the model listens.
    number
        A number that they may ask for instead, where the model no longer listens there.
    """
    lifecycle = container.get("lifecycle") or {}
    places = [
        *((f"/{probe}", container.get(probe)) for probe in _PROBES),
        *((f"/lifecycle/{hook}", lifecycle.get(hook)) for hook in _HOOKS),
    ]
    for path, actions in places:
        for kind in _HANDLERS:
            handler: Json = (actions or {}).get(kind) or {}
            # A number at another host is not the model's; a name always is.
            numbered = number is not None and not handler.get("host")
            if handler.get("port") == name or (numbered and handler.get("port") == number):
                yield Edit(f"{path}/{kind}/port", to)


def knob_edits(container: Json, knob: Knob | None, number: int, moved: int) -> tuple[Edit, ...]:
    """Return what makes a server listen on `moved` in place of `number`.

    Raises
    ------
    TakeoverImpossibleError
        If it is not certain that the knob moves this port.
    """
    if knob is None:
        raise TakeoverImpossibleError("takeover.swap names neither a variable nor an argument")
    if knob.variable:
        return (_by_variable(container, knob.variable, number, moved),)
    return (_by_argument(container, knob.argument, number, moved),)


def queue_proxy_edits(container: Json, number: int, captured: int) -> tuple[Edit, ...]:
    """Return what makes Knative's queue-proxy reach the model by way of the collector.

    Its probes go the same way: the port is Ready only once the whole path answers. Asked directly,
    a model that has just come up would be called before the collector has noticed it.

    Parameters
    ----------
    container
        queue-proxy.
    number
        Port of the model.
    captured
        Port of the collector.

    Raises
    ------
    TakeoverImpossibleError
        If queue-proxy does not forward to this port of the model.
    """
    position, told = _variable(container, USER_PORT)
    if position is None or told != str(number):
        raise TakeoverImpossibleError(
            f"queue-proxy forwards to {told or 'an unknown port'}, not to {number}: name the port "
            "that Knative forwards to, user-port, and let nothing else stand between the two"
        )
    edits = [Edit(f"/env/{position}/value", str(captured))]
    position, probes = _variable(container, SERVING_READINESS_PROBE)
    if position is not None and probes:
        edits.append(Edit(f"/env/{position}/value", _moved_probes(probes, number, captured)))
    return tuple(edits)


def _by_variable(container: Json, variable: str, number: int, moved: int) -> Edit:
    where = f"container {container.get('name')}"
    said = next((word for word in _words(container) if _says(word, number)), None)
    if said is not None:
        raise TakeoverImpossibleError(
            f"the command line of {where} says {number} too ({said}) and may count for more than "
            f"the variable {variable}: name that argument in takeover.swap.argument"
        )
    position, value = _variable(container, variable)
    if position is None:
        entry = {"name": variable, "value": str(moved)}
        present = container.get("env")
        return Edit("/env/-", entry, adds=True) if present else Edit("/env", [entry], adds=True)
    if value != str(number):
        raise TakeoverImpossibleError(
            f"the variable {variable} of {where} is {value!r}, not the port's number: let it be "
            f'"{number}", or name the variable that is'
        )
    return Edit(f"/env/{position}/value", str(moved))


def _variable(container: Json, name: str) -> tuple[int | None, str]:
    """Return position and value of a variable; of several of one name the last one counts."""
    entries: Sequence[Json] = container.get("env") or []
    found = [position for position, entry in enumerate(entries) if entry.get("name") == name]
    if not found:
        return None, ""
    entry = entries[found[-1]]
    if entry.get("valueFrom"):
        raise TakeoverImpossibleError(
            f"the variable {name} of container {container.get('name')} comes from valueFrom, "
            "where it cannot be changed: write its value into the pod template"
        )
    return found[-1], str(entry.get("value") or "").strip()


def _by_argument(container: Json, argument: str, number: int, moved: int) -> Edit:
    where = f"container {container.get('name')}"
    found = [
        (f"/{place}/{position}", word, words[position + 1 : position + 2])
        for place in ("command", "args")
        for words in [_list(container, place)]
        for position, word in enumerate(words)
        if word == argument or word.startswith(f"{argument}=")
    ]
    if not found:
        raise TakeoverImpossibleError(_no_argument(container, argument, number))
    if len(found) > 1:
        raise TakeoverImpossibleError(
            f"{argument} stands {len(found)} times on the command line of {where}: leave one"
        )
    path, word, following = found[0]
    joined = word != argument
    value = word.removeprefix(f"{argument}=") if joined else "".join(following)
    if value != str(number):
        raise TakeoverImpossibleError(
            f"{argument} of {where} is {value!r}, not the port's number: write {number} there, or "
            "name the argument that has it"
        )
    if joined:
        return Edit(path, f"{argument}={moved}")
    *parents, last = path.split("/")
    return Edit("/".join([*parents, str(int(last) + 1)]), str(moved))


def _no_argument(container: Json, argument: str, number: int) -> str:
    where = f"container {container.get('name')}"
    if any(argument in word for word in _words(container)):
        return (
            f"{argument} stands within a longer word of the command line of {where}, as in a shell "
            f"script, which is not edited: write command and args as lists, with {argument}="
            f"{number} as a word of its own, or take a variable"
        )
    return (
        f"the command and args of {where} have no {argument}: write {argument}={number} into its "
        "args in the pod template, so that the number can be changed"
    )


def _words(container: Json) -> list[str]:
    return [*_list(container, "command"), *_list(container, "args")]


def _list(container: Json, place: str) -> list[str]:
    return [str(word) for word in container.get(place) or []]


def _says(word: str, number: int) -> bool:
    return re.search(rf"(?<!\d){number}(?!\d)", word) is not None


def _moved_probes(text: str, number: int, captured: int) -> str:
    try:
        probes = json.loads(text)
    except ValueError as error:
        raise TakeoverImpossibleError(
            f"queue-proxy's {SERVING_READINESS_PROBE} is no JSON: serve in KServe's Standard mode"
        ) from error
    for probe in probes if isinstance(probes, list) else [probes]:
        for kind in _HANDLERS:
            handler = probe.get(kind) if isinstance(probe, dict) else None
            if isinstance(handler, dict) and str(handler.get("port")) == str(number):
                handler["port"] = captured
    return json.dumps(probes, separators=(",", ":"))
