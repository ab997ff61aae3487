#!/bin/sh
# Starts PostgreSQL with its own certificate. The image's entry point creates the database at the first start, with
# roles.sql. PostgreSQL accepts only a key file that no other user can read, so the key is copied first.
set -eu
umask 077
cp /acktor/server.crt /acktor/server.key /acktor/pg_hba.conf /run/acktor/
cp /acktor/roles.sql /docker-entrypoint-initdb.d/
exec docker-entrypoint.sh postgres \
  -c ssl=on \
  -c ssl_cert_file=/run/acktor/server.crt \
  -c ssl_key_file=/run/acktor/server.key \
  -c hba_file=/run/acktor/pg_hba.conf \
  -c max_connections=200 \
  -c log_checkpoints=off
