#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The mesh of mesh.sh, founded by the host in the middle of the cut.
exec "$(dirname "$0")/mesh.sh" beta
