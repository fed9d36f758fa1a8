#!/bin/sh
# PING as the user of HEALTH_USER with the password in HEALTH_PASSWORD_FILE; without them, as the default user.
set -eu
if [ -n "${HEALTH_PASSWORD_FILE:-}" ]; then
  REDISCLI_AUTH=$(cat "$HEALTH_PASSWORD_FILE")
  export REDISCLI_AUTH
  set -- --user "${HEALTH_USER:-default}"
fi
# redis-cli exits with 0 on an error reply too.
[ "$(redis-cli --no-auth-warning -h 127.0.0.1 "$@" PING)" = PONG ]
