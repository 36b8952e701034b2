"""What collectors made of the traffic, as the status says it."""

from collections.abc import Sequence

from modelmonitor.api.v1alpha1.status import CollectionStatus
from modelmonitor.core.acting.status import format_share
from modelmonitor.core.judging.judgement import undecodable_reason
from modelmonitor.core.judging.windows import Tick, coverage, decoded_share
from modelmonitor.core.pane.totals import Recognised


def collection_status(
    tick: Tick | None,
    recognised: Recognised,
    ports: Sequence[str],
    previous: CollectionStatus | None,
) -> CollectionStatus | None:
    """Return what is to be said of the last judged tick; None while there is nothing to say.

    Parameters
    ----------
    tick
        The last judged tick; None before the first, and while the monitor is suspended.
    recognised
        What requests were taken for since this controller began to lead.
    ports
        Names of the monitor's captured ports.
    previous
        As it was written; says what requests were taken for until there are new ones.
    """
    protocols = recognised_ports(recognised, ports, previous)
    if tick is None:
        return CollectionStatus(protocols=protocols) if protocols else None
    traffic = tick.traffic
    partly = 0 < traffic.sampled < traffic.seen
    return CollectionStatus(
        observed_share=format_share(coverage([tick])),
        sampled_share=format_share(traffic.sampled / traffic.seen) if partly else None,
        decoded_share=format_share(decoded_share(traffic)) if traffic.sampled else None,
        undecodable=undecodable_reason(traffic) or None,
        protocols=protocols,
    )


def recognised_ports(
    recognised: Recognised, ports: Sequence[str], previous: CollectionStatus | None
) -> list[str]:
    """Return one text for each port whose traffic was recognised, in the order of the ports."""
    before = {text.partition(":")[0]: text for text in (previous.protocols if previous else ())}
    now = {text.partition(":")[0]: text for text in recognised.in_words(ports)}
    known = before | now
    return [known[port] for port in ports if port in known]
