"""The Kopf edge: an event becomes a key in the queue, and nothing else."""
