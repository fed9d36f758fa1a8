#!/bin/bash
# A signed repository below /srv/apt with one package, grafana: the stand-in, its user, its unit.
set -euo pipefail
package=$(mktemp -d)
install -D -m 0755 /root/standin.py "$package/usr/sbin/grafana"
mkdir -p "$package/DEBIAN" "$package/lib/systemd/system" /srv/apt/pool /srv/apt/dists/stable/main/binary-amd64
cat > "$package/DEBIAN/control" <<'EOF'
Package: grafana
Version: 0.standin
Architecture: amd64
Maintainer: keelson contributors <nobody@keelson.test>
Depends: python3-yaml, adduser
Description: stand-in for tests
EOF
cat > "$package/DEBIAN/postinst" <<'EOF'
#!/bin/sh
set -e
adduser --quiet --system --group --home /usr/share/grafana --no-create-home grafana
install -d -o grafana -g grafana /var/lib/grafana /var/log/grafana
EOF
chmod 0755 "$package/DEBIAN/postinst"
cat > "$package/lib/systemd/system/grafana-server.service" <<'EOF'
[Unit]
Description=Stand-in for Grafana
[Service]
User=grafana
Group=grafana
ExecStart=/usr/sbin/grafana
[Install]
WantedBy=multi-user.target
EOF
dpkg-deb --root-owner-group --build "$package" /srv/apt/pool/grafana.deb
cd /srv/apt
apt-ftparchive packages pool > dists/stable/main/binary-amd64/Packages
apt-ftparchive -o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Components=main \
  -o APT::FTPArchive::Release::Architectures=amd64 release dists/stable > Release
export GNUPGHOME=$(mktemp -d)
gpg --batch --quiet --passphrase '' --quick-gen-key repository@keelson.test ed25519 sign never
gpg --batch --quiet --armor --export > key.asc
gpg --batch --quiet --clearsign --output dists/stable/InRelease Release
chmod -R a+rX /srv/apt
