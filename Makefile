# The one front door. `make demo` shows it, `make test` proves it.

CARGO ?= cargo
SEEDS ?= 500
ROUNDS ?= 1000
FIRST_SEED ?= 1
SECONDS ?= 60
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
PROGRAMS = vrrp-core checkerd notifierd ipmgr handover
RELEASE = $(or $(CARGO_TARGET_DIR),target)/release

.PHONY: demo test lint sim crash fuzz bench install deb rpm build help

help:            ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 12

build:           ## the five programs, optimised
	$(CARGO) build --release $(PROGRAMS:%=-p %)

demo: build      ## two hosts, an address that moves, about a minute; root or ordinary user
	$(RELEASE)/handover lab examples/haproxy-pair

test: lint       ## everything, also what needs network namespaces
	$(CARGO) build --bins
	$(CARGO) test --workspace --no-fail-fast

lint:            ## format, clippy, licences, shell scripts
	$(CARGO) fmt --all --check
	$(CARGO) fmt --manifest-path fuzz/Cargo.toml --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --manifest-path fuzz/Cargo.toml --quiet -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --quiet --document-private-items
	@# What other platforms would need, too: cargo-deny looks at all of it, and fetches nothing by itself.
	@if $(CARGO) deny --version >/dev/null 2>&1; then \
	    $(CARGO) fetch --locked --quiet && \
	    $(CARGO) deny --offline --log-level error check licenses bans sources; \
	else echo 'lint: cargo-deny is not installed (cargo install cargo-deny): licences NOT checked'; [ -z "$$CI" ]; fi
	@if command -v shellcheck >/dev/null; then shellcheck .ci/run fuzz/run examples/*/*.sh \
	    packaging/install packaging/after-upgrade packaging/first-steps packaging/*/build packaging/deb/p*rm packaging/deb/postinst packaging/completions/*.bash; \
	else echo 'lint: shellcheck is not installed: shell scripts NOT checked'; [ -z "$$CI" ]; fi

sim:             ## random elections on a simulated LAN: make sim SEEDS=5000 FIRST_SEED=1
	SIM_SEEDS=$(SEEDS) SIM_FIRST_SEED=$(FIRST_SEED) $(CARGO) test --release -p handover-tests --test sim -- --nocapture

crash:           ## daemons killed and stopped at random on two real hosts: make crash ROUNDS=1000 SEED=1; as root
	$(CARGO) build --bins
	CRASH_ROUNDS=$(ROUNDS) CRASH_SEED=$(or $(SEED),1) $(CARGO) test -p handover-tests --test crash -- --nocapture

bench: build     ## figures beside keepalived's: make bench ROWS=failover,cpu RUNS=3; as root
	$(CARGO) build --release -p handover-bench
	nice -n -19 $(RELEASE)/handover-bench $(if $(ROWS),--rows $(ROWS)) $(if $(RUNS),--runs $(RUNS))

fuzz:            ## bytes at every parser and at the core: make fuzz SECONDS=600 TARGET=vrrp_core SEED=7
	@SEED=$(SEED) fuzz/run $(SECONDS) $(TARGET)

install: build   ## programs, units, manual pages, completions to $(DESTDIR)$(PREFIX); users and directories too, as root
	packaging/install $(RELEASE) '$(DESTDIR)' $(PREFIX) $(SYSCONFDIR)
	@if [ -z '$(DESTDIR)' ] && [ "$$(id -u)" = 0 ]; then systemd-sysusers handover.conf; \
	    systemd-tmpfiles --create handover.conf; chgrp _handover $(SYSCONFDIR)/handover/handover.conf; fi

deb: build       ## the Debian package, to $(RELEASE)/..; VERSION=1.2.3 for another than Cargo.toml's
	packaging/deb/build $(RELEASE) $(RELEASE)/.. $(VERSION)

rpm: build       ## the same as an RPM; needs rpmbuild
	packaging/rpm/build $(RELEASE) $(RELEASE)/.. $(VERSION)
