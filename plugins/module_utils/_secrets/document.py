# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A credential as the text or the JSON object that a store holds. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._core.errors import OpsError
from .credential import Credential


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the value and the attributes are: keys of a JSON object, or the whole text with a ``key`` of None.

    ``where`` names the options in errors.
    """

    key: str | None
    attribute_keys: Mapping[str, str] = field(default_factory=dict)
    where: str = "store"

    def __post_init__(self) -> None:
        if self.key is None and self.attribute_keys:
            raise OpsError(f"{self.where}.attribute_keys: only a JSON secret has keys; give {self.where}.key as well")


def credential_in(text: str, layout: Layout) -> Credential:
    """The credential in a stored text. Raises OpsError when it is not where the options say."""
    if layout.key is None:
        return Credential(text)
    return credential_of(object_in(text, layout), layout)


def credential_of(document: Mapping[str, Any], layout: Layout) -> Credential:
    """The credential in an object. Raises OpsError for a key that is not there."""
    key = layout.key or ""
    if not isinstance(document.get(key), str):
        raise OpsError(f"{layout.where}.key: the secret has no text under {key!r}")
    attributes = {name: str(document[at]) for name, at in layout.attribute_keys.items() if document.get(at)}
    return Credential(document[key], attributes)


def text_with(credential: Credential, layout: Layout, base: str | None) -> str:
    """The text to store; of a JSON object ``base`` all other keys stay."""
    if layout.key is None:
        return credential.value
    return json.dumps(document_with(credential, layout, object_in(base, layout) if base else {}))


def document_with(credential: Credential, layout: Layout, base: Mapping[str, Any]) -> dict[str, Any]:
    """The object to store; all other keys of ``base`` stay."""
    known = {
        at: credential.attributes[name] for name, at in layout.attribute_keys.items() if name in credential.attributes
    }
    return {**base, **known, layout.key or "": credential.value}


def object_in(text: str, layout: Layout) -> dict[str, Any]:
    """The JSON object in a text. Raises OpsError that shows nothing of it."""
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise OpsError(f"{layout.where}.key: the secret is no JSON object, so it has no keys; leave the option out")
    return found
