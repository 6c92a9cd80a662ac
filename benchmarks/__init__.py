"""Measures what a gateway costs beside its peers: CPU, latency, memory and start, on one core, in one run.

The package knows gateways only from outside (a command line, a port, a process tree) and imports none of them; only
`fairness` and `limits` measure rooms of Passerelle from inside.
"""
