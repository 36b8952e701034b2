"""From a monitor and its panes to its status and its effects."""
