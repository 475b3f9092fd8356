#!/bin/sh
# Makes a signed apt repository for test nodes once for each state of this script, and prints its folder: made-up packages
# in the suites "old" and "new", and Debian's ansible-core with all that the nodes' root lacks for it in "ansible".
set -eu
cd "$(dirname "$0")"
cache=${KEELSON_CACHE:-$HOME/.cache/keelson}
home=$cache/packages/$(cat build.sh packages.sh | sha256sum | cut -c1-16)
if [ -e "$home/complete" ]; then
    echo "$home/repository"
    exit
fi
node=$(./build.sh)
mkdir -p "$home"
exec 9>"$home/lock"
flock 9
[ ! -e "$home/complete" ] || { echo "$home/repository"; exit; }
repository=$home/repository
rm -rf "$repository" "$home/build"
mkdir -p "$repository" "$home/build" "$home/archives/partial"
architecture=$(dpkg --print-architecture)
# A short path: gpg's agent listens on a socket below it.
GNUPGHOME=$(mktemp -d)
export GNUPGHOME
trap 'gpgconf --kill all; rm -rf "$GNUPGHOME"' EXIT

sign() { gpg --batch --yes --quiet --pinentry-mode loopback --passphrase '' "$@"; }

# package SUITE NAME VERSION
package() {
    folder=$home/build/$1-$2
    mkdir -p "$folder/DEBIAN" "$folder/usr/bin" "$repository/pool/$1"
    printf '#!/bin/sh\necho %s %s\n' "$2" "$3" > "$folder/usr/bin/$2"
    chmod 755 "$folder/usr/bin/$2"
    printf 'Package: %s\nVersion: %s\nArchitecture: all\nMaintainer: Test <test@test.invalid>\nDescription: made up\n' "$2" "$3" > "$folder/DEBIAN/control"
    dpkg-deb --root-owner-group -b "$folder" "$repository/pool/$1/$2.deb" >/dev/null
}

# suite NAME: the indexes over pool/NAME
suite() {
    index=dists/$1/main/binary-$architecture
    mkdir -p "$index"
    apt-ftparchive packages "pool/$1" > "$index/Packages"
    gzip -9nk "$index/Packages"
    option=APT::FTPArchive::Release
    apt-ftparchive -o $option::Suite="$1" -o $option::Codename="$1" -o $option::Architectures="$architecture" \
        -o $option::Components=main release "dists/$1" > "$home/Release"
    sign --clearsign -o "dists/$1/InRelease" "$home/Release"
}

sign --quick-gen-key 'Test <test@test.invalid>' ed25519 sign never
sign --export > "$repository/test.gpg"
package old acme-web 1.0-1
package old acme-tool 2.0-1
package new acme-web 1.1-1
package new acme-tool 2.0-1
apt-get -qq -o DPkg::Lock::Timeout=400 update >&2
apt-get -qq -y -o Dir::State::status="$node/var/lib/dpkg/status" -o Dir::Cache::archives="$home/archives" \
    -o Debug::NoLocking=true -o APT::Sandbox::User=root --no-install-recommends --download-only install ansible-core >&2
mkdir -p "$repository/pool/ansible"
number=0
for file in "$home"/archives/*.deb; do
    # By number: the names have characters that apt escapes in addresses.
    number=$((number + 1))
    mv "$file" "$repository/pool/ansible/$number.deb"
done
cd "$repository"
suite old
suite new
suite ansible
rm -rf "$home/build" "$home/archives" "$home/Release"
touch "$home/complete"
echo "$repository"
