"""From the API models to the CustomResourceDefinition in `crds/`."""
