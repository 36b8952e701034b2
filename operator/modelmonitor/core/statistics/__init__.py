"""Statistics over panes and baselines, as pure functions."""
