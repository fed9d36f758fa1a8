#!/bin/bash
# Initialises an empty data directory once, then becomes the server. Settings: "postgres -c name=value ..." or PGOPTIONS.
set -euo pipefail

fail() {
  echo "entrypoint: $*" >&2
  exit 1
}

# from_file NAME: the value of $NAME, or the content of the file that $NAME_FILE names.
from_file() {
  local name=$1 file_name=${1}_FILE
  if [[ -n ${!file_name:-} ]]; then
    [[ -r ${!file_name} ]] || fail "$file_name=${!file_name} cannot be read by uid $(id -u)"
    printf '%s' "$(< "${!file_name}")"
  else
    printf '%s' "${!name:-}"
  fi
}

# run_initial_sql USER DATABASE: the database, its extension and every /docker-entrypoint-initdb.d/*.sql, in order of
# their names, on a server that only this script can reach.
run_initial_sql() {
  local user=$1 database=$2 file
  pg_ctl --pgdata "$staging" --silent --wait --log "$staging/initial.log" \
    --options "-c listen_addresses= -c unix_socket_directories=/tmp" start > /dev/null \
    || { cat "$staging/initial.log" >&2; fail "the new cluster does not start"; }
  local query=(psql --quiet --no-psqlrc --host /tmp --username "$user" --set ON_ERROR_STOP=1)
  [[ $database == postgres ]] || "${query[@]}" --dbname postgres --command "CREATE DATABASE \"$database\""
  "${query[@]}" --dbname "$database" --command "CREATE EXTENSION pg_stat_statements"
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [[ -e $file ]] || continue
    echo "entrypoint: running $file"
    "${query[@]}" --dbname "$database" --file "$file"
  done
  pg_ctl --pgdata "$staging" --silent --wait --mode fast stop > /dev/null
  rm -f "$staging/initial.log"
}

# The cluster is made in a directory of its own and PG_VERSION moves last: an interrupted start is repeated
# from the beginning, and a directory that holds PG_VERSION is never written by this script.
initialise() {
  local staging=$PGDATA/.initialising user database password
  user=${POSTGRES_USER:-postgres}
  database=${POSTGRES_DB:-$user}
  password=$(from_file POSTGRES_PASSWORD)
  [[ -n $password ]] || fail "set POSTGRES_PASSWORD_FILE (or POSTGRES_PASSWORD) for the first start"
  [[ $user$database =~ ^[a-zA-Z0-9_]+$ ]] || fail "POSTGRES_USER and POSTGRES_DB take letters, digits and _ only"
  if [[ -e $staging ]]; then
    echo "entrypoint: repeating an interrupted initialisation"
    find "$PGDATA" -mindepth 1 -delete
  elif [[ -n $(ls -A "$PGDATA") ]]; then
    fail "$PGDATA is not empty and holds no PostgreSQL cluster"
  fi
  mkdir -m 0700 "$staging"
  initdb --pgdata "$staging" --username "$user" --pwfile <(printf '%s\n' "$password") \
    --auth-local trust --auth-host scram-sha-256 --encoding UTF8 --locale C.UTF-8 --data-checksums \
    --set listen_addresses=0.0.0.0 --set shared_preload_libraries=pg_stat_statements \
    --set password_encryption=scram-sha-256 --set log_timezone=UTC --set timezone=UTC > /dev/null
  printf 'host %s all all scram-sha-256\n' all replication >> "$staging/pg_hba.conf"
  run_initial_sql "$user" "$database"
  find "$staging" -mindepth 1 -maxdepth 1 ! -name PG_VERSION -exec mv -t "$PGDATA" {} +
  mv "$staging/PG_VERSION" "$PGDATA/"
  rmdir "$staging"
  echo "entrypoint: cluster initialised for database $database, user $user"
}

if [[ ${1:-} == -* ]]; then
  set -- postgres "$@"
fi
if [[ ${1:-} == postgres ]]; then
  if [[ ! -s $PGDATA/PG_VERSION ]]; then
    initialise
  fi
  rmdir "$PGDATA/.initialising" 2> /dev/null || true
  # The password is needed for the first start only; the server must not carry it.
  unset POSTGRES_PASSWORD
fi
exec "$@"
