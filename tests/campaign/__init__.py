"""Random histories of real processes, and a second telling of the documented rules that each is compared with.

    make campaign                               ten thousand histories; CAMPAIGN_HISTORIES=500 for fewer
    make campaign CAMPAIGN_SEED=4711            one history, by its seed; its story first

:mod:`campaign.generator` writes a history from a seed, :mod:`campaign.history` plays it, :mod:`campaign.contract` says
what must come of it, :mod:`campaign.comparison` compares. What disagrees is shrunk, and printed as a scenario
(:mod:`scenarios`) could be written. :mod:`campaign.simulation` plays the same histories without a kernel, faster:

    .venv/bin/python -m tests.campaign --without-kernel
"""
