#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# uml.sh: makes sure that user-mode Linux, built from source.sh's kernel source with
# uml.config, is in the cache, and prints its folder:
#	linux		the kernel, a program
#	build		KDIR of out-of-tree modules, with ARCH=um
set -eu
# shellcheck source=scripts/lib.sh
. "$(dirname -- "$0")/lib.sh"

here=$(cd -- "$(dirname -- "$0")" && pwd)

source=$("$here/source.sh")
cache_entry "uml-$(digest "$here"/uml.{config,patch})" make_uml "$source" "$here/uml.config"
