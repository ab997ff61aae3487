#!/bin/sh
# Starts PostgreSQL with its own certificate. The image's entry point makes the database at the first start, with
# roles.sql; PostgreSQL takes a key only from a file of its own that nobody else can read, so it is copied first.
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
