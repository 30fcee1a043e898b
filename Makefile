# Parley. `make help` lists what can be asked for.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

STATICCHECK_VERSION := v0.8.2
FUZZTIME            ?= 20s
CHAOS               ?= 1m
BENCHTIME           ?= 1s
LOADFLAGS           ?=

BIN     := bin/parley
TOOLS   := bin/tools
UI      := meet-web/ui
BROWSER := test/browser
# Also where the checkout belongs to somebody else, as in many a container.
GIT     := git -c safe.directory='$(CURDIR)'
VERSION := $(shell $(GIT) describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X parley/internal/app.Version=$(VERSION)

# One setting for all Go commands, or each would compile everything for itself. None asks
# git: the version is told to the linker.
export CGO_ENABLED := 0
export GOFLAGS     := $(GOFLAGS) -buildvcs=false

UI_SOURCES := $(shell find $(UI)/src $(UI)/public $(UI)/index.html $(UI)/vite.config.ts $(UI)/tsconfig.json -type f 2>/dev/null)
UI_BUILT   := $(UI)/dist/index.html

# npm ci only when the lock file changed: the stamp is written by npm itself.
%/node_modules/.package-lock.json: %/package-lock.json
	npm --prefix $* ci --no-audit --no-fund --ignore-scripts
	touch $@

$(UI_BUILT): $(UI)/node_modules/.package-lock.json $(UI_SOURCES)
	npm --prefix $(UI) run build
	touch $@

$(TOOLS)/staticcheck-$(STATICCHECK_VERSION):
	GOBIN=$(CURDIR)/$(TOOLS) go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	mv $(TOOLS)/staticcheck $@

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.PHONY: run
run: build ## build everything and start Parley on this machine
	@exec ./$(BIN) serve --data .parley

.PHONY: build
build: $(UI_BUILT) binary ## build the page and the one binary, bin/parley

# The binary alone needs no Node; without a built page it serves a placeholder.
.PHONY: binary
binary:
	go build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/parley

.PHONY: setup
setup: ## install the browsers and peers the tests talk to (Debian, root)
	./test/setup.sh

.PHONY: test
test: setup lint unit fuzz-short ui build e2e ## run every test, browsers included

.PHONY: unit
unit: ## run the Go tests
	go test ./...

.PHONY: ui
ui: $(UI)/node_modules/.package-lock.json ## check and test the page
	npm --prefix $(UI) run check
	npm --prefix $(UI) test

.PHONY: e2e
e2e: build $(BROWSER)/node_modules/.package-lock.json ## run the browser tests against bin/parley, alone on the machine
	npm --prefix $(BROWSER) test

.PHONY: check
check: test race ## run what a change must pass: every test, and the race detector

.PHONY: picture
picture: build $(BROWSER)/node_modules/.package-lock.json ## take the README's picture anew
	cd $(BROWSER) && node --test --test-name-pattern=front screens.test.mjs
	cp $(BROWSER)/artifacts/chat-desk.png docs/call.png

.PHONY: bandwidth
bandwidth: build $(BROWSER)/node_modules/.package-lock.json ## draw the plot of docs/bandwidth.md anew (root)
	cd $(BROWSER) && node --test network-narrow.test.mjs
	cp $(BROWSER)/artifacts/bandwidth.png docs/bandwidth.png

.PHONY: race
race: ## run the Go tests with the race detector (needs a C compiler), and the rooms in chaos for CHAOS (1m)
	CGO_ENABLED=1 go test -race ./...
	PARLEY_CHAOS=$(CHAOS) CGO_ENABLED=1 go test -race -count=1 -v -run '^TestChaos$$' ./xmppd

.PHONY: lint
lint: $(TOOLS)/staticcheck-$(STATICCHECK_VERSION) ## gofmt, go vet, staticcheck
	@bad=$$({ $(GIT) ls-files -z --cached --others --exclude-standard '*.go' 2>/dev/null \
	    || find . -name '*.go' -not -path '*/node_modules/*' -print0; } | xargs -0 -r gofmt -l); \
	  if [ -n "$$bad" ]; then echo "gofmt would change:"; echo "$$bad"; exit 1; fi
	go vet ./...
	$(TOOLS)/staticcheck-$(STATICCHECK_VERSION) ./...

.PHONY: fmt
fmt: ## format the Go code
	gofmt -w $$($(GIT) ls-files '*.go')

.PHONY: reference
reference: ## write configs/reference.yaml anew from the code
	go test ./internal/app -run Reference -update

# Load is put on the XMPP server beside Prosody and a floor, see docs/performance.md, and
# on the bridge beside a floor, see docs/packet-path.md; LOADFLAGS=-short is done in two
# minutes for each, and BENCHTIME is that of each Go benchmark.
.PHONY: bench
bench: binary ## run the benchmarks, and load on the XMPP server beside Prosody and on the bridge
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) ./...
	go run ./test/load -parley $(BIN) $(LOADFLAGS)
	go run ./test/sfuload -parley $(BIN) $(LOADFLAGS)

.PHONY: bench-bridge
bench-bridge: binary ## put load on the bridge, beside a floor
	go run ./test/sfuload -parley $(BIN) $(LOADFLAGS)

# What reads first what strangers send. A count, not a time: the same on a slow machine.
FUZZ_SHORT := xmppd/stream:FuzzReader xmppd/stream:FuzzProxyHeader xmppd/stream:FuzzReadBody xmppd/stanza:FuzzParse xmppd/websocket:FuzzFrames \
  xmppd/sasl:FuzzScram xmppd/sasl:FuzzPlain jwtauth:FuzzVerify xmppd/muc:FuzzRoom xmppd/dataform:FuzzForm
.PHONY: fuzz-short
fuzz-short: ## fuzz the parsers strangers reach first, a few thousand inputs each
	@for x in $(FUZZ_SHORT); do echo "== $$x"; go test -run '^$$' -fuzz "^$${x#*:}$$" -fuzztime 5000x "./$${x%:*}" | tail -n 1; done

# Every FuzzX of the tree, one after the other, FUZZTIME each.
.PHONY: fuzz
fuzz: ## fuzz every parser for FUZZTIME (20s) each
	@grep -rlE --include='*_test.go' '^func Fuzz' --exclude-dir=node_modules . | xargs -n1 dirname | sort -u | while read -r dir; do \
	  grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$dir/*_test.go | sed 's/func //' | while read -r name; do \
	    echo "== $$dir $$name"; go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) $$dir; done; done

.PHONY: clean
clean: ## remove what was built (not the data in .parley)
	rm -rf bin $(UI)/dist/assets $(UI)/dist/index.html $(UI)/node_modules $(BROWSER)/node_modules
	$(GIT) clean -fdxq -- $(UI)/dist
