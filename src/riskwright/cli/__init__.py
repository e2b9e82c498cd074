"""The command line: one verb per step of the chain, results on stdout, talk on stderr."""
