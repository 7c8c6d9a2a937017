#!/usr/bin/env bash
# That a key store loses nothing: the short forms.

exec "$(dirname "$0")/../reliability.sh" --short
