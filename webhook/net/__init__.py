"""The one way out: HTTP requests that tell how far they got, Prometheus, and loops for libraries that want one."""
