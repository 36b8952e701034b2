"""The story, told on the reader's machine with the same commands a reader would type.

- `timeline`: what is printed, with times
- `kubectl`, `watch`, `transitions`: what is seen of the cluster and of the monitor
- `platforms`, `images`, `install`: a Kubernetes with modelmonitor on it
- `flights`: the demo's own parts in the cluster: model, traffic, monitor
- `chapters`: the story itself, each with what must come true
"""
