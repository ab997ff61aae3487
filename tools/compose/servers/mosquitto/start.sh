#!/bin/sh
# Starts mosquitto. It warns about password files that other users can read, so they are copied first.
set -eu
umask 077
cp /acktor/* /run/acktor/
cd /run/acktor
sed -i "s/^require_certificate .*/require_certificate $(cat require-certificate)/" mosquitto.conf
exec mosquitto -c /run/acktor/mosquitto.conf
