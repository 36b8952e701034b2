"""Pure decisions: panes, baselines, statistics, evidence, verdicts, alert states, retraining.

Nothing here does I/O, reads a clock or draws random numbers; time comes in as a parameter.
"""
