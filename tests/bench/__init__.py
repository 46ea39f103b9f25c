"""Side by side with nginx and haproxy: what a request costs, what a process weighs. `python -m bench` runs it."""
