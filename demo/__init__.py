"""The demonstration: a real model, real flights, one story from OK to OK.

`flights` is what runs in the demo's pods (data, training, serving, traffic); `story` is what runs
on the reader's machine and tells it. `python -m demo` starts the story.
"""
