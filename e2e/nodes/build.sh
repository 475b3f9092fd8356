#!/bin/sh
# Makes the root filesystem of a test node (Debian 12, systemd, sshd) once for each state of this script,
# and prints its folder. About half a minute. Nodes use it as the read-only lower layer of an overlay.
set -eu
cd "$(dirname "$0")"
cache=${KEELSON_CACHE:-$HOME/.cache/keelson}
home=$cache/nodes/$(sha256sum build.sh | cut -c1-16)
if [ -e "$home/complete" ]; then
    echo "$home/root"
    exit
fi
[ -z "${KEELSON_ONLY_CACHED:-}" ] || exit 1

[ "$(id -u)" = 0 ] || { echo "making the node root filesystem needs root" >&2; exit 1; }
command -v mmdebstrap >/dev/null || { echo "mmdebstrap is missing: run 'make setup' first" >&2; exit 1; }
mkdir -p "$home"
exec 9>"$home/lock"
flock 9
if [ ! -e "$home/complete" ]; then
    echo "Making the root filesystem of the test nodes (Debian 12 with systemd and sshd): about a minute, once." >&2
    rm -rf "$home/root"
    # sshd listens from boot on, so that "port 22 is closed" is a change that can be seen.
    # Host keys are the same on every node: nothing trusts them. Each node gets its machine id when it is made.
    mmdebstrap --quiet --variant=apt --include=systemd-sysv,dbus,procps,iproute2,openssh-server \
        --customize-hook='systemctl -q --root="$1" enable ssh.service' \
        --customize-hook='systemctl -q --root="$1" mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer' \
        --customize-hook='rm -f "$1/etc/machine-id" "$1/etc/hostname" "$1/etc/resolv.conf"' \
        bookworm "$home/root" >&2
    touch "$home/complete"
fi
echo "$home/root"
