"""Spam filters of public reports: SpamAssassin's spamd and rspamd, which look up what mails link to."""

from __future__ import annotations

import signal

from exporter.demo.lab import Program, World
from tests.support.lab_cgroups import Cgroups
from tests.zoo.case import ONCE, RELOAD_BY_HAND, Case, Expected, Site
from tests.zoo.driving import drive, reconfigure

SPAMASSASSIN = """
loadplugin Mail::SpamAssassin::Plugin::Check
loadplugin Mail::SpamAssassin::Plugin::URIDNSBL
use_bayes 0
util_rb_tld com
dns_available yes
rbl_timeout 1
urirhsbl LAB {name}. A
body LAB eval:check_uridnsbl('LAB')
score LAB 1
"""
RSPAMD = """
lua = "/run/rspamd/lab.lua";
options {
    tempdir = "/run/rspamd";
    url_tld = "/run/rspamd/tlds";
    lang_detection { languages = "/run/rspamd/none"; }
    hs_cache_dir = "/run/rspamd";
    control_socket = "/run/rspamd/control.sock mode=0600";
    cache_file = "/run/rspamd/symbols";
    history_file = "/run/rspamd/history";
    stats_file = "/run/rspamd/stats";
    filters = "";
    explicit_modules = [];
    dns { timeout = 1s; retransmits = 1; }
}
logging { type = "console"; level = "error"; }
worker "normal" { bind_socket = "127.0.0.1:11333"; count = 1; }
"""
RULE = """
local number = 0
rspamd_config:register_symbol({{
    name = 'LAB',
    callback = function(task)
        number = number + 1
        task:get_resolver():resolve_a({{task = task, name = 'h' .. number .. '.{name}', callback = function() end}})
    end,
}})
"""
MAIL = "while :; do curl -s -m 1 --data-binary 'Subject: lab' http://127.0.0.1:11333/checkv2; sleep 0.2; done"


def spamd(world: World, name: str) -> Program:
    """Run spamd: the master reads resolv.conf, its children look up the domains that mails link to."""
    world.path("/run/spamd").mkdir(exist_ok=True)
    world.path("/run/spamd/lab.cf").write_text(SPAMASSASSIN.format(name=name))
    world.path("/run/spamd/site").mkdir(exist_ok=True)
    where = ("--configpath=/run/spamd", "--siteconfigpath=/run/spamd/site", "--nouser-config", "--username=nobody")
    number = ("--min-children=1", "--max-children=1", "--max-conn-per-child=1000000")
    program = world.start(["spamd", "--listen=127.0.0.1:7831", *where, *number, "--syslog=stderr"])
    program.wait_for_line("server started")
    drive(world, "mail_checks", "7831")
    return program


def rspamd(world: World, name: str) -> Program:
    """Run rspamd as Debian's unit does, with one worker, and one rule that looks a name up for each mail."""
    world.run(["install", "-d", "-o", "_rspamd", "/run/rspamd"])
    for file, text in (("lab.conf", RSPAMD), ("lab.lua", RULE.format(name=name)), ("tlds", "com\n")):
        world.path(f"/run/rspamd/{file}").write_text(text)
    command = ["rspamd", "-f", "-u", "_rspamd", "-g", "_rspamd", "-c", "/run/rspamd/lab.conf"]
    program = world.start(CGROUPS.within("system.slice/rspamd.service", command))
    world.start(["sh", "-c", MAIL])
    return program


FILTERS = Site("filters")
CGROUPS = Cgroups()
RSPAMDS = Site("rspamd", surround=lambda: CGROUPS)
CASES = [
    Case(
        "spamd",
        spamd,
        "old",
        Expected(
            "stale",
            "direct|nss",
            r"the old server comes from a resolver that its parent, spamd \(pid \d+\), set up before the change$",
            RELOAD_BY_HAND,
        ),
        FILTERS,
        cure=reconfigure(signal.SIGHUP),
    ),
]
BIG = [
    Case(
        "rspamd",
        rspamd,
        "old",
        Expected("stale", "direct", ONCE, r"^reload it: systemctl reload-or-restart rspamd\.service$"),
        RSPAMDS,
        cure=reconfigure(signal.SIGHUP),
    ),
]
