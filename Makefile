# SPDX-License-Identifier: GPL-2.0
#
# The commands of this tree. Each sets up what it needs. The module's own build is
# in Kbuild, that of the tools in userspace/Makefile.

PREFIX ?= /usr/local
DESTDIR ?=
MODULE_DIR = $(DESTDIR)/lib/modules/$(shell uname -r)/updates

.DEFAULT_GOAL := all

help:
	@echo 'make            build the module for the stock kernels 6.1 and 6.12, and the tools'
	@echo 'make demo       fork guests with forkguard and with stock WireGuard, and compare'
	@echo 'make check      run every test; the last line is "N passed, N failed"'
	@echo 'make check-all  the same, with all mutants and controls, and debug kernels: hours; resumes'
	@echo
	@echo 'make module     build/6.1/forkguard.ko and build/6.12/forkguard.ko'
	@echo 'make userspace  build/fwg and build/fwg-audit'
	@echo 'make kunit      unit tests of the module, in user-mode Linux'
	@echo 'make mutants    break the module on purpose; a unit test must catch each bug'
	@echo 'make model      check a model of forks with spin'
	@echo 'make lint       checkpatch, sparse, clang-format, shellcheck, layers of the module'
	@echo 'make evidence   list the campaigns whose code has changed since'
	@echo
	@echo 'Campaigns that take hours, see tests/EVIDENCE.md:'
	@echo 'make sweep      fork guests at every step of the code that matters'
	@echo 'make forensics  search the memory of clones for keys from before the fork'
	@echo 'make scale      32 clones, forks 10 deep, 1,000 resets a second, 10,000 peers'
	@echo 'make fuzz       fuzz each parser with 10 million inputs or messages'
	@echo 'make check-debug  run on kernels with KASAN, KCSAN, lockdep and fault injection'
	@echo
	@echo 'make install    the module for the running kernel, and the tools, below PREFIX'
	@echo 'make clean      remove build/; the cache outside the tree stays'

all: module userspace

packages:
	@scripts/packages.sh

module: packages
	@scripts/module.sh 6.1
	@scripts/module.sh 6.12

userspace: packages
	@$(MAKE) -s --no-print-directory -C userspace

kunit: packages
	@tests/kunit/run

mutants: packages
	@tests/mutants/run

model: packages
	@tests/model/run

lint: packages
	@tests/lint

check: packages
	@tests/check

check-all: packages
	@tests/check --all

evidence:
	@tests/evidence

demo: all
	@tests/lab/demo

sweep: all
	@tests/lab/sweep

forensics: all
	@tests/lab/forensics --kernel 6.1
	@tests/lab/forensics --kernel 6.12

scale: all
	@tests/lab/scale

fuzz: packages
	@tests/fuzz/run

check-debug: packages userspace
	@tests/debug/run
	@tests/debug/run --prove

install:
	install -D -m 644 "$$(scripts/module.sh running)" $(MODULE_DIR)/forkguard.ko
	$(if $(DESTDIR),,depmod)
	install -D -m 644 userspace/modprobe.d/replace-wireguard.conf \
		$(DESTDIR)$(PREFIX)/share/forkguard/replace-wireguard.conf
	@$(MAKE) -s --no-print-directory -C userspace install PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)

clean:
	rm -rf build

.PHONY: help all packages module userspace kunit mutants model lint check check-all evidence \
	demo sweep forensics scale fuzz check-debug install clean
