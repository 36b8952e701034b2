"""Can the verdicts be believed: false alarms, delay, power and speed, beside peers.

Every table is a module with `measure(scale) -> Iterator[Bar]`; `tables` names them.
"""
