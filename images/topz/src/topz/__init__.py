"""topz: what runs in the pod, as a page, an API and metrics."""
