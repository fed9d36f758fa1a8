# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stand-in for Docker's package archive: its layout, its signature, its packages by name with nothing in them."""

import email.utils
import hashlib
import http.server
import os
import platform
import subprocess
import sys
from pathlib import Path

ROOT, HOST = Path(sys.argv[1]), platform.freedesktop_os_release()
RELEASE = HOST["VERSION_CODENAME"]
PACKAGES = ("docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin")
CONTROL = "Package: {}\nVersion: 99\nArchitecture: {}\nMaintainer: keelson contributors\nDescription: stand-in\n"
# They take the place of the distribution's packages, and with them of its unit.
UNIT = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"
KEY = ("archive@keelson.test", "ed25519", "sign", "never")


def run(*command):
    environment = {**os.environ, "GNUPGHOME": str(ROOT / "key")}
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, env=environment).stdout.decode()


def package(archive, name, architecture):
    """Build one package; its entry in the list of packages."""
    tree, control = ROOT / "build" / name, CONTROL.format(name, architecture)
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(control)
    if name == "docker-ce":
        (tree / "lib" / "systemd" / "system").mkdir(parents=True)
        (tree / "lib" / "systemd" / "system" / "docker.service").write_text(UNIT)
    file = archive / "pool" / f"{name}.deb"
    run("dpkg-deb", "--root-owner-group", "--build", str(tree), str(file))
    content = file.read_bytes()
    return f"{control}Filename: pool/{file.name}\nSize: {len(content)}\nSHA256: {hashlib.sha256(content).hexdigest()}\n"


def main():
    archive, architecture = ROOT / "linux" / HOST["ID"], run("dpkg", "--print-architecture").strip()
    index = archive / "dists" / RELEASE / "stable" / f"binary-{architecture}" / "Packages"
    for folder in (archive / "pool", index.parent):
        folder.mkdir(parents=True)
    (ROOT / "key").mkdir(mode=0o700)
    run("gpg", "--batch", "--passphrase", "", "--quick-generate-key", *KEY)
    (archive / "gpg").write_text(run("gpg", "--armor", "--export"))
    index.write_text("\n".join(package(archive, name, architecture) for name in PACKAGES))
    content = index.read_bytes()
    release = ROOT / "Release"
    release.write_text(
        f"Origin: stand-in\nSuite: {RELEASE}\nCodename: {RELEASE}\nComponents: stable\nArchitectures: {architecture}\n"
        f"Date: {email.utils.formatdate(usegmt=True)}\nSHA256:\n"
        f" {hashlib.sha256(content).hexdigest()} {len(content)} stable/binary-{architecture}/Packages\n"
    )
    run("gpg", "--batch", "--clearsign", "--output", str(archive / "dists" / RELEASE / "InRelease"), str(release))
    os.chdir(ROOT)
    http.server.ThreadingHTTPServer(("127.0.0.1", 8099), http.server.SimpleHTTPRequestHandler).serve_forever()


if __name__ == "__main__":
    main()
