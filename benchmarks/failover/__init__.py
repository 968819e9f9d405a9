"""Many accounts at two Kamailios behind one name of NSD, one of which fails: ``python -m benchmarks.failover``.

The servers are real and in real time, each on an address and ports of its own. Accounts notice the failure when they
refresh, or when their connection is lost; how many of them lost their binding on the way is what counts.
"""
