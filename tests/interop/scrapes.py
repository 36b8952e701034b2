"""Reading what servers say of themselves to Prometheus."""

from collections.abc import Iterator

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample


def samples(exposition: bytes) -> Iterator[Sample]:
    """Return all samples of a scrape."""
    for family in text_string_to_metric_families(exposition.decode()):
        yield from family.samples


def total(exposition: bytes, name: str, **labels: str) -> float:
    """Return the sum of the samples of a name, over all labels but these; 0 if there is none."""
    return sum(
        sample.value
        for sample in samples(exposition)
        if sample.name == name and labels.items() <= sample.labels.items()
    )
