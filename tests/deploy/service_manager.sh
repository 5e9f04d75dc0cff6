#!/usr/bin/env bash
# A systemd of the test's own, in a mount namespace of its own: not as PID 1, and with the machine's processes in sight.
# It is a user's manager, run by root, whose runtime directory is /run: so units, sockets and directories lie where the
# system's manager has them, and a unit's sandbox is made by the same code.
# usage: unshare --mount --propagation private service_manager.sh LIBRARIES USER
set -euo pipefail
libraries=$1 user=$2
cgroup=/sys/fs/cgroup/resolvtrace-test-$$

umount --lazy /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir "$cgroup"
echo $$ >"$cgroup/cgroup.procs"
[ -d /sys/kernel/tracing/events ] || mount -t tracefs tracefs /sys/kernel/tracing

mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/lib
for file in passwd group; do
    cp "/etc/$file" "/run/$file"
    grep -v "^$user:" "/run/$file" >"/run/$file.own" || true
done
echo "$user:x:64999:64999::/nonexistent:/usr/sbin/nologin" >>/run/passwd.own
echo "$user:x:64999:" >>/run/group.own
mount --bind /run/passwd.own /etc/passwd
mount --bind /run/group.own /etc/group

# As Debian's kernel has it, and another's may not: for show, here.
echo 3 >/run/level
mount --bind /run/level /proc/sys/kernel/perf_event_paranoid

mkdir /run/none
DESTDIR=/run/installed PREFIX=/usr deploy/install files /run/none
mount --bind "$libraries" /run/installed/usr/lib/resolvtrace/vendor
mkdir -p /run/systemd/system /run/units
sed -e "s|/usr/lib/resolvtrace/|/run/installed&|" \
    -e 's|^ExecStart=/usr/bin/resolvtrace daemon|ExecStart=/run/installed/usr/bin/resolvtrace daemon --web.listen-address 127.0.0.1:0|' \
    -e 's|^WatchdogSec=.*|WatchdogSec=5s|' -e 's|^\[Service\]|&\nStandardError=append:/run/log|' \
    /run/installed/usr/lib/systemd/system/resolvtrace.service >/run/units/resolvtrace.service

export XDG_RUNTIME_DIR=/run XDG_CONFIG_HOME=/var/lib XDG_STATE_HOME=/var/lib SYSTEMD_UNIT_PATH=/run/units:/usr/lib/systemd/user
unset DBUS_SESSION_BUS_ADDRESS
umask 022
/usr/lib/systemd/systemd --user --unit=basic.target --log-target=console &
manager=$!
trap 'kill -TERM $manager' TERM
until [ -S /run/systemd/private ]; do
    kill -0 $manager
    sleep 0.1
done
chmod 777 /run/systemd/notify    # as the system's manager has it
echo ready
wait $manager || wait $manager || true
echo $$ >/sys/fs/cgroup/cgroup.procs
find "$cgroup" -depth -type d -exec rmdir {} +
