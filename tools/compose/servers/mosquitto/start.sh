#!/bin/sh
# Starts mosquitto. It warns of passwords that others can read, so they are copied to files of its own.
set -eu
umask 077
cp /acktor/* /run/acktor/
cd /run/acktor
sed -i "s/^require_certificate .*/require_certificate $(cat require-certificate)/" mosquitto.conf
exec mosquitto -c /run/acktor/mosquitto.conf
