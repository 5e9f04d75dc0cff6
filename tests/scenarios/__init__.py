"""Histories of processes, written in a few words, that a daemon must judge as the contract says.

A scenario is a test that reads like a story::

    master = world.start("master").read()
    world.change("B").past_the_grace()
    worker = master.fork("worker").query("A", 3)
    world.expect(master, state="stale", queries={"A": (0, 3)})

A to H are nameservers, ``(0, 3)`` are queries of its own and of its workers. :mod:`scenarios.world` has the words. All
of it is real: processes (``tests/programs/puppet.c``), namespaces, the daemon and the kernel. A failing scenario prints
the story with the time of each step, and the row that the daemon shows.

One scenario, ten times::

    for _ in $(seq 10); do .venv/bin/python -m pytest tests/scenarios -k worker_queries_then_reads || break; done
"""
