# Thin: set-up below, one line a target. It asks for GNU make and Python 3.11 or newer; all else is
# fetched into .tools/ and .venv/ on first use, and again only when something it depends on changed.

PYTHON ?= python3
UV_VERSION := 0.13.9
# Programs that the tests need and pip cannot bring, and their packages; installed where this user may.
SYSTEM_TOOLS := strace:strace eatmydata:eatmydata /usr/lib/openssh/sftp-server:openssh-sftp-server \
	curl:curl mosquitto:mosquitto node:nodejs npm:npm php:php-cli,php-curl \
	/usr/lib/rabbitmq/bin/rabbitmq-server:rabbitmq-server redis-server:redis-server wget:wget
BENCH_TOOLS := nginx:nginx-light /usr/lib/nginx/modules/ngx_http_lua_module.so:libnginx-mod-http-lua npm:npm

BIN := .venv/bin
UV := .tools/bin/uv
READY := .venv/.ready

export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
MAKEFLAGS += --no-print-directory

.PHONY: help run test check bench bench-receive soak docs setup system-tools bench-tools
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ': .*## ' '/^[a-z-]+: .*## / { printf "make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## Start Sinkwell on ./sinkwell-data (ARGS="--port 9000" is passed on)
	@$(BIN)/sinkwell serve $(ARGS)

test: $(READY) system-tools ## Run the tests (ARGS="-k spool" is passed on)
	@$(BIN)/python -m pytest $(ARGS)

check: $(READY) ## Lint, format, types, direction of imports, dependencies
	$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy && $(BIN)/lint-imports
	@for member in core plugins/* examples/*; do (cd $$member && $(CURDIR)/$(BIN)/deptry src -i DEP002) || exit 1; done

bench: $(READY) bench-tools ## Compare with what one would write oneself (ARGS=--quick; ARGS=--publish)
	@$(BIN)/python -m bench.compare $(ARGS)

bench-receive: $(READY) ## Measure what receiving costs, step by step
	@$(BIN)/python bench/receive.py $(ARGS)

soak: $(READY) system-tools ## Run the large amounts of the fault and property tests: hours
	@$(BIN)/python -m pytest -m soak $(ARGS)

docs: $(READY) ## Check the examples, tables and links of the documentation
	@$(BIN)/python -m pytest tests/unit/test_docs.py tests/integration/test_docs.py $(ARGS)

setup: $(READY) ## Make .venv/ with all that is needed

# uv has an environment of its own, as it rebuilds the other one.
.tools/uv-$(UV_VERSION):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Sinkwell needs Python 3.11 or newer, and '$(PYTHON)' is not: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv --clear .tools || { echo "'$(PYTHON) -m venv' does not work here; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION) && touch $@

$(READY): .tools/uv-$(UV_VERSION) uv.lock pyproject.toml VERSION $(wildcard core/pyproject.toml plugins/*/pyproject.toml examples/*/pyproject.toml)
	@$(UV) sync --frozen --quiet --python .tools/bin/python && touch $@

system-tools bench-tools:
	@missing=$$(for tool in $(if $(filter bench-tools,$@),$(BENCH_TOOLS),$(SYSTEM_TOOLS)); do command -v $${tool%:*} >/dev/null || [ -e $${tool%:*} ] || echo $${tool#*:} | tr , " "; done); \
	[ -z "$$missing" ] || { [ "$$(id -u)" = 0 ] && command -v apt-get && apt-get -qq update && apt-get -qq install -y $$missing; } >/dev/null 2>&1 \
	|| echo "not here and not installed:" $$missing "- what needs them is left out" >&2
