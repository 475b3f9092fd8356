#!/bin/sh
# Builds kubebox from the Go module proxy, once for each state of this folder, and prints its folder.
# About seven minutes on two cores. The compiler's cache (3 GB) is removed afterwards.
set -eu
cd "$(dirname "$0")"
cache=${KEELSON_CACHE:-$HOME/.cache/keelson}
key=$(cat go.mod go.sum main.go build.sh | sha256sum | cut -c1-16)
home=$cache/control-plane/$key
if [ -x "$home/kubebox" ]; then
    echo "$home"
    exit
fi
[ -z "${KEELSON_ONLY_CACHED:-}" ] || exit 1

command -v go >/dev/null || { echo "the control plane is not built yet and Go is missing: run 'make setup' first" >&2; exit 1; }
mkdir -p "$home" "$cache/tmp"
exec 9>"$home/lock"
flock 9
if [ ! -x "$home/kubebox" ]; then
    version=$(sed -n 's/^\tk8s.io\/kubernetes v\(.*\)/\1/p' go.mod)
    echo "Building Kubernetes $version (API server, controller manager, kubectl) and etcd: about 7 minutes, once." >&2
    flags="-s -w"
    for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
        # Without these the server calls itself v0.0.0, which version checks of charts refuse.
        flags="$flags -X $package.gitVersion=v$version -X $package.gitMajor=1 -X $package.gitMinor=$(echo "$version" | cut -d. -f2)"
        flags="$flags -X $package.gitTreeState=clean -X $package.gitCommit=proxy -X $package.buildDate=1970-01-01T00:00:00Z"
    done
    GOCACHE=$(mktemp -d "$cache/tmp/go-build.XXXXXX")
    export GOCACHE
    trap 'rm -rf "$GOCACHE"' EXIT
    trap 'exit 1' HUP INT TERM
    # -v names each package as it is compiled: counted they are progress, and what has a space in it is a message.
    GOTOOLCHAIN=local GOFLAGS=-mod=readonly CGO_ENABLED=0 \
        go build -v -trimpath -tags notest,grpcnotrace -ldflags "$flags" -o "$home/kubebox.part" . 2>&1 |
        awk '/^go: downloading/ { if (++modules % 50 == 0) { print "  fetched " modules " modules"; fflush() } next }
             /^[^ ]+$/ { if (++packages % 200 == 0) { print "  compiled " packages " of about 2300 packages"; fflush() } next }
             { print; fflush() }' >&2
    [ -x "$home/kubebox.part" ] || { echo "the control plane did not build: see the messages above" >&2; exit 1; }
    for name in etcd kube-apiserver kube-controller-manager kubectl; do ln -sf kubebox "$home/$name"; done
    mv "$home/kubebox.part" "$home/kubebox"
fi
echo "$home"
