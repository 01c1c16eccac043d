#!/bin/sh
# Like the official one: what is no program of the image is a command of minio.
[ "$1" = minio ] || set -- minio "$@"
exec "$@"
