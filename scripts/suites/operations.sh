#!/usr/bin/env bash
# That operations end, lose nothing and spare nothing: the short forms.

exec "$(dirname "$0")/../operations.sh" --short
