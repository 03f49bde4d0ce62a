# Thin: set-up below, one line a target. It asks for GNU make and Python 3.11 or newer; all else is
# fetched into .tools/ and .venv/ on first use, and again only when something it depends on changed.

PYTHON ?= python3
UV_VERSION := 0.13.9
# Programs that the tests need and pip cannot bring, and their packages; installed where this user may.
SYSTEM_TOOLS := strace:strace eatmydata:eatmydata /usr/lib/openssh/sftp-server:openssh-sftp-server node:nodejs npm:npm redis-server:redis-server

BIN := .venv/bin
UV := .tools/bin/uv
READY := .venv/.ready

export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME
MAKEFLAGS += --no-print-directory

.PHONY: help run test check bench soak docs setup system-tools
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ': .*## ' '/^[a-z]+: .*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(READY) ## Start Sinkwell on ./sinkwell-data (ARGS="--port 9000" is passed on)
	@$(BIN)/sinkwell serve $(ARGS)

test: $(READY) system-tools ## Run the tests (ARGS="-k spool" is passed on)
	@$(BIN)/python -m pytest $(ARGS)

check: $(READY) ## Lint, format, types, direction of imports, dependencies
	$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/mypy && $(BIN)/lint-imports
	@for member in core plugins/*; do (cd $$member && $(CURDIR)/$(BIN)/deptry src -i DEP002) || exit 1; done

bench: $(READY) ## Measure what a callback costs on this machine
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

$(READY): .tools/uv-$(UV_VERSION) uv.lock pyproject.toml VERSION $(wildcard core/pyproject.toml plugins/*/pyproject.toml)
	@$(UV) sync --frozen --quiet --python .tools/bin/python && touch $@

system-tools:
	@missing=$$(for tool in $(SYSTEM_TOOLS); do command -v $${tool%:*} >/dev/null || echo $${tool#*:}; done); \
	[ -z "$$missing" ] || { [ "$$(id -u)" = 0 ] && command -v apt-get && apt-get -qq update && apt-get -qq install -y $$missing; } >/dev/null 2>&1 \
	|| echo "not here and not installed:" $$missing "- tests that need them are skipped" >&2
