"""The observer: copied bytes to requests, columns and panes, in a process of its own."""
