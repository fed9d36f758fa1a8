# Copyright (c) keelson contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sign-in tokens: JWT, HS256. Signed with the current secret, accepted with the current and the previous one."""

from __future__ import annotations

from collections.abc import Sequence

import jwt

ALGORITHM = "HS256"


class TokenError(Exception):
    """The token is not one of ours, or its time is over."""


def issue(subject: str, *, secrets: Sequence[str], now: int, seconds: int) -> str:
    """A token for ``subject`` that ends ``seconds`` after ``now``."""
    claims = {"sub": subject, "iat": now, "exp": now + seconds}
    return str(jwt.encode(claims, secrets[0], algorithm=ALGORITHM))


def subject_of(token: str, *, secrets: Sequence[str]) -> str:
    """Who ``token`` was issued to. Raises TokenError."""
    for secret in secrets:
        try:
            claims = jwt.decode(token, secret, algorithms=[ALGORITHM], options={"require": ["sub", "exp"]})
        except jwt.InvalidSignatureError:
            continue
        except jwt.PyJWTError as error:
            raise TokenError(str(error)) from None
        return str(claims["sub"])
    raise TokenError("Signature verification failed")
