"""Differential fuzzing: what our reader of HTTP/1.1 accepts, llhttp and h11 must accept with the same meaning."""
