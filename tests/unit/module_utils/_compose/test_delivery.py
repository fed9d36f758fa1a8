# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From deploy_projects to commands."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.keelson.ops.plugins.module_utils._compose.delivery import parse_delivery
from ansible_collections.keelson.ops.plugins.module_utils._core.errors import OpsError

BACKEND = {
    "name": "registry.example.com:5000/shop/backend",
    "context": "apps/backend/",
    "dockerfile": "Dockerfile.prod",
    "target": "runtime",
    "args": {"VERSION": 2, "WITH": "a space"},
}


def commands(entry: Any, commit: str = "7295898") -> dict[str, Any]:
    return parse_delivery("shop", entry).commands("2.0.0", "20261122", commit)


def test_an_image_is_built_once_with_both_tags_and_pushed_with_each() -> None:
    found = commands({"images": [BACKEND]})
    repository = BACKEND["name"]
    assert found["build"] == [
        [
            "docker", "build", "--tag", f"{repository}:2.0.0", "--tag", f"{repository}:2.0.0-20261122-7295898",
            "--label", "org.opencontainers.image.version=2.0.0", "--label", "org.opencontainers.image.revision=7295898",
            "--file", "apps/backend/Dockerfile.prod", "--target", "runtime",
            "--build-arg", "VERSION=2", "--build-arg", "WITH=a space", "apps/backend/",
        ]
    ]  # fmt: skip
    assert [push[-1] for push in found["push"]] == found["references"]
    assert found["references"] == [f"{repository}:2.0.0", f"{repository}:2.0.0-20261122-7295898"]


def test_without_an_entry_nothing_is_tested_or_built() -> None:
    found = commands(None)
    assert (found["tests"], found["build"], found["push"]) == ([], [], [])
    assert found["tag"] == "2.0.0-20261122-7295898"


def test_test_commands_are_split_into_words_without_a_shell() -> None:
    assert commands({"tests": ["make 'a b'", "true"]})["tests"] == [["make", "a b"], ["true"]]
    assert commands({"tests": "make test"})["tests"] == [["make", "test"]]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"image": []}, "deploy_projects.shop: image is not known; there are source, tests, images"),
        ({"images": [{"context": "."}]}, r"deploy_projects.shop.images\[0\]: name is missing"),
        ({"images": [{"name": "shop/backend:1"}]}, "has a tag; leave it out"),
        ({"images": [{**BACKEND, "arg": 1}]}, "arg is not known"),
        ({"images": 3}, "images: must be a list"),
        ({"tests": ["a 'b"]}, "is not a command line"),
        ({"tests": [" "]}, "empty command"),
        ("shop", "must be a dictionary"),
    ],
)
def test_errors_name_the_key(entry: Any, says: str) -> None:
    with pytest.raises(OpsError, match=says):
        commands(entry)
