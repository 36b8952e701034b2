"""A real Kubernetes of several nodes on one Linux machine, without a container engine.

Every machine of the cluster (the control plane ``cp``, the nodes ``n1``, ``n2`` …) is one tree of
processes in namespaces of its own, held by a tiny first process; killing that process removes the
machine. Nothing is configured outside loopback and 198.18.0.0/15, the range reserved for tests
(RFC 2544).

Layers, each importing only those above it:

- ``settings``, ``shell``: where things lie, how commands are run
- ``bootstrap``, ``toolchain``: what is installed and compiled
- ``layout``, ``base_image``, ``buildah``, ``project_images``, ``demo_image``: images
- ``processes``, ``cgroups``, ``machines``, ``network``, ``pki``: what a machine is
- ``kubectl``, ``control_plane``, ``nodes``, ``images``, ``volumes``: what runs on machines
- ``lifecycle``, ``status``: switching on, healing, switching off, looking
- ``apiserver``: an API server alone, for tests that need no node
- ``cli``: the commands
"""
