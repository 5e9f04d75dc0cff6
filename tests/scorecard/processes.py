"""Rows about what kind of process queries, by what kind of system call, and where it lives."""

from __future__ import annotations

from tests.scorecard.places import CGROUP, CHROOT, CONTAINER, FAR_AWAY, MOUNTS, OTHER_USER, PIDS, USERS
from tests.scorecard.proofs import elsewhere, first_in_its_namespace, in_chroot, is_32_bit, lived_short
from tests.scorecard.row import CHILDS, COUNT, ESTIMATE, ONE, TCP, Asked, Row, sends

_THREADS = 64

SYSTEM_CALLS = (
    Row("io_uring connect and send", ("send_uring", "connect-send", "{v4}"), ONE),
    Row("io_uring sendmsg", ("send_uring", "sendmsg", "{v4}"), ONE),
    Row("io_uring connect and send, TCP", ("send_uring", "connect-send-tcp", "{v4}"), TCP, remark=ESTIMATE),
    Row("io_uring sendmsg, by the kernel's workers (IOSQE_ASYNC)", ("send_uring", "worker", "{v4}"), ONE),
    Row("io_uring sendmsg, polled by the kernel (SQPOLL)", ("send_uring", "polled", "{v4}"), ONE),
    Row("io_uring connect and send, TCP, SQPOLL", ("send_uring", "polled-tcp", "{v4}"), TCP, remark=ESTIMATE),
    Row("a 32-bit program, connected", sends("connected-send"), ONE, flags=("-m32",), proof=is_32_bit),
    Row("a 32-bit program, sendto()", sends("sendto"), ONE, flags=("-m32",), proof=is_32_bit),
    Row("a 32-bit program, TCP", sends("tcp"), TCP, flags=("-m32",), proof=is_32_bit, remark=ESTIMATE),
)

PROCESSES = (
    Row(
        "a process that lives under 100 ms",
        ("send_shared", "brief", "{v4}"),
        (),
        gone=True,
        proof=lived_short,
        other=ONE,
        remark="kept by its program: it leaves no row of its own",
    ),
    Row(
        "a forked worker that lives under 100 ms",
        ("send_shared", "worker", "{v4}"),
        (Asked("{v4}", 0, of_workers=COUNT),),
        proof=lived_short,
        remark="for the process whose worker it is",
    ),
    Row("64 threads", ("send_many", "crowd", "{v4}"), (Asked("{v4}", _THREADS * COUNT),), received=_THREADS * COUNT),
    Row(
        "a socket from before fork(), used by both",
        ("send_mixed", "fork", "{v4}"),
        (Asked("{v4}", COUNT, of_workers=CHILDS),),
        other=(Asked("{v4}", CHILDS),),
        received=COUNT + CHILDS,
        remark="for whoever sends",
    ),
    Row("a socket passed over SCM_RIGHTS", ("send_shared", "pass", "{v4}"), (), other=ONE, remark="for whoever sends"),
    Row("a socket from before the daemon", sends("hold"), ONE, early=True),
    Row("a TCP connection from before the daemon", sends("tcp-hold"), TCP, early=True, remark=ESTIMATE),
    Row("another network namespace", sends("sendto"), ONE, place=FAR_AWAY, proof=elsewhere("net", "mnt")),
    Row(
        "another network namespace, TCP from before the daemon",
        sends("tcp-hold"),
        TCP,
        early=True,
        place=FAR_AWAY,
        proof=elsewhere("net", "mnt"),
        remark=ESTIMATE,
    ),
    Row(
        "another mount namespace",
        sends("sendto"),
        ONE,
        place=MOUNTS,
        proof=elsewhere("mnt"),
        remark="judged by the resolv.conf there",
    ),
    Row(
        "a chroot",
        sends("sendto"),
        ONE,
        flags=("-static",),
        place=CHROOT,
        proof=in_chroot,
        remark="judged by the resolv.conf there",
    ),
    Row(
        "another pid namespace",
        sends("sendto"),
        ONE,
        place=PIDS,
        proof=first_in_its_namespace,
        remark="by its pid in the initial pid namespace",
    ),
    Row("another user", sends("sendto"), ONE, place=OTHER_USER),
    Row(
        "root of another user namespace",
        sends("sendto"),
        ONE,
        place=USERS,
        proof=elsewhere("user"),
        remark="by its uid in the initial user namespace",
    ),
    Row(
        "a process in a nested cgroup",
        sends("connected-send"),
        ONE,
        place=CGROUP,
        remark="with the unit that the cgroup names",
    ),
    Row(
        "all of them: a container",
        sends("connected-send"),
        ONE,
        place=CONTAINER,
        proof=elsewhere("mnt", "pid", "user", "cgroup"),
        remark="with the container that the cgroup names",
    ),
)
