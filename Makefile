# make help lists what there is. Nothing here needs more than Go and make,
# except `make test`, which installs its own parts where it may.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# One toolchain and one set of flags for the binary, the tests and the release,
# so that all of them share the build cache (-trimpath alone makes a second
# one). The tags leave out databases that Caddy's certificate storage could use
# and that nobody here does; they do not touch a storage of our own.
export GOTOOLCHAIN := go1.26.10+auto
export GOFLAGS     := -trimpath -buildvcs=false -tags=nobadger,nomysql,nopgx

MODULE  := github.com/passwordless-auth/passwordless-auth
VERSION ?= 0.3.0-dev
LDFLAGS := -s -w -X main.version=$(VERSION)

# Tools, pinned, built once into bin/tools.
TOOLS         := $(CURDIR)/bin/tools
GOLANGCI_LINT := $(TOOLS)/golangci-lint-v2.15.0
GOVULNCHECK   := $(TOOLS)/govulncheck-v1.9.0
XCADDY        := $(TOOLS)/xcaddy-v0.4.5
TRAEFIK       := $(TOOLS)/traefik-v3.7.13

# Packages that share memory between goroutines run under the race detector.
RACED := ./authcore/... ./caddymodule/... ./store/...

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Build and start the demo; ARGS="--port 9000" to change its port
	@exec bin/passwordless-auth demo $(ARGS)

.PHONY: build
build: ## Build bin/passwordless-auth
	go build -ldflags '$(LDFLAGS)' -o bin/passwordless-auth ./cmd/passwordless-auth

.PHONY: test
test: ## Lint, known flaws, unit tests, end-to-end tests
	test/setup.sh
	$(MAKE) --no-print-directory lint vuln
	go test -race -timeout 10m $(RACED)
	go test -count=1 -timeout 15m $$(go list ./... | grep -vE '^$(MODULE)/(authcore|caddymodule|store|test/proxies)(/|$$)')
	@test/setup.sh --check

.PHONY: test-proxies
test-proxies: $(TRAEFIK) ## The examples behind real nginx, HAProxy, Traefik and Caddy
	test/setup.sh
	go test -count=1 -timeout 15m ./test/proxies/...

.PHONY: setup
setup: ## Install the parts the tests need (Debian as root; lists them elsewhere)
	test/setup.sh

.PHONY: bench
bench: build ## Measure the targets in 25 minutes; PEERS=name=path,… compares with others; writes docs/performance.md
	go run ./bench $(if $(PEERS),-peers '$(PEERS)')

.PHONY: lint
lint: $(GOLANGCI_LINT) ## Check formatting, Go, shell and JavaScript
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not formatted (make fmt):"; echo "$$unformatted"; exit 1; }
	go vet ./...
	$(GOLANGCI_LINT) run ./...
	cd examples/verify-go && go vet . && $(GOLANGCI_LINT) run --config $(CURDIR)/.golangci.yml .
	test/lint-assets.sh

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format the Go code
	$(GOLANGCI_LINT) fmt ./...

.PHONY: vuln
vuln: $(GOVULNCHECK) ## Look for known flaws in what the code calls
	test/vuln.sh $(GOVULNCHECK)

# xcaddy looks its modules up by path, first Caddy's and then ours; ours is this
# checkout and must not be looked up anywhere. So the module cache is filled
# first, verified against the checksum database and go.sum, and nothing is asked after that.
CADDY = $$(go list -m -f '{{.Version}}' github.com/caddyserver/caddy/v2)

# xcaddy has Go look for what the tests of other modules import, too. Nobody
# builds those, so that they are not in the cache is no failure, and a block of
# lines that says so is left out. Whatever else is missing is shown.
define WITHOUT_TESTS_OF_OTHERS
/^go: caddy imports$$/ { block = $$0; next }
block != "" && /^\t.*( imports| tested by)$$/ { block = block "\n" $$0; next }
block != "" && /^\t/ { if (block !~ / tested by\n/ || !/: module lookup disabled by GOPROXY=off$$/) print block "\n" $$0; block = ""; next }
block != "" { print block; block = "" }
{ print }
END { if (block != "") print block }
endef
export WITHOUT_TESTS_OF_OTHERS

.PHONY: xcaddy
xcaddy: $(XCADDY) ## Build bin/caddy: a plain Caddy with the module from this checkout
	go mod download
	caddy=$(CADDY) && tmp=$$(mktemp -d) && trap 'rm -rf "$$tmp"' EXIT && cd "$$tmp" \
		&& go mod init caddy && go get "github.com/caddyserver/caddy/v2@$$caddy"
	@echo building bin/caddy with $(XCADDY)
	@exec 4>&1; status=$$({ { \
		XCADDY_WHICH_GO="$$(go env GOROOT)/bin/go" GOTOOLCHAIN=local GOPROXY=off GOSUMDB=off \
		XCADDY_GO_BUILD_FLAGS="-ldflags '-s -w -X $(MODULE)/caddymodule.linked=$(VERSION)'" \
		$(XCADDY) build "$(CADDY)" --output bin/caddy --with $(MODULE)/caddymodule --replace $(MODULE)=$(CURDIR) 2>&1; \
		echo $$? >&3; } | awk "$$WITHOUT_TESTS_OF_OTHERS" >&4; } 3>&1) && exit $$status
	@echo 'bin/caddy is ready: bin/caddy run --config Caddyfile'

.PHONY: clean
clean: ## Remove what was built and what tests made
	rm -rf bin test/node_modules test/shots examples/verify-node/node_modules

# install builds one tool and names it by its version, so that a new pin is a new file.
install = GOBIN=$(TOOLS) go install $(1)@$(lastword $(subst -v, v,$(notdir $@))) && mv $(TOOLS)/$(notdir $(1)) $@

$(GOLANGCI_LINT):
	$(call install,github.com/golangci/golangci-lint/v2/cmd/golangci-lint)

$(GOVULNCHECK):
	$(call install,golang.org/x/vuln/cmd/govulncheck)

# Four minutes when nothing of it is in the build cache.
$(TRAEFIK):
	test/build-traefik.sh $@

$(XCADDY):
	$(call install,github.com/caddyserver/xcaddy/cmd/xcaddy)
