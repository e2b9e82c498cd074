"""Speed, memory and quality of riskwright beside its peers, each in an environment of its own.

`python -m benchmarks` runs every measure in a process of its own and writes one table.
"""
