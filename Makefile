# `make up` runs the whole stack on the sandbox venue; `make test` passes the tests. Both set up what they need.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON_VENV := .venv/bin/python
# Extra arguments for pytest: make test ARGS='-k drawdown'
ARGS ?=
# Tests wait for processes half of their time, so there are more workers than cores.
WORKERS ?= $(shell n=$$(nproc); echo $$((n < 4 ? 2 * n : 8)))
# Of five thousand tests with real processes one may meet a stalled machine.  What a second run passed is told with its
# traceback; a fault fails three times, and a suite that needs many second runs fails, too.
RETRY ?= --reruns 2 --reruns-delay 1 --rerun-show-tracebacks --max-suite-reruns 6

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[36m%-14s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Make .venv with every Python dependency (the other targets do it by themselves)
	@bin/setup.sh python

.PHONY: secrets
secrets: ## Make the random secrets in secrets/ (existing ones are kept)
	@sh bin/secrets.sh

.PHONY: up
up: ## Run the whole stack: with Docker Compose where an engine answers, else as local processes
	@bin/up

.PHONY: down
down: setup ## Stop a stack that was started elsewhere
	@$(PYTHON_VENV) -m bin.stack down

.PHONY: reload
reload: setup ## Have the running Prometheus and Alertmanager read their configuration again (after tuning a rule)
	@$(PYTHON_VENV) -m bin.stack reload

.PHONY: token
token: setup secrets ## Mint an operator token: make token NAME=alice ROLE=risk [HOURS=12]
	@.venv/bin/andon operator add --file secrets/operators.json --name "$(NAME)" --role "$(ROLE)" $(if $(HOURS),--hours $(HOURS))
	@$(PYTHON_VENV) -m bin.stack hand-out

.PHONY: drill
drill: setup secrets ## Break the sandbox for real and time the kill: make drill [ARGS='--help']
	@$(PYTHON_VENV) -m bin.stack drill $(ARGS)

.PHONY: logs
logs: setup ## Follow the logs of the running stack
	@$(PYTHON_VENV) -m bin.stack logs

.PHONY: test
test: ## Set up what is missing and run every test
	@bin/setup.sh python stack tests
	@PATH="$$PATH:$$PWD/.cache/debian/usr/bin" $(PYTHON_VENV) -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(RETRY) $(ARGS)

.PHONY: test-compose
test-compose: setup ## Bring docker-compose.yml up with stand-in base images and take it down (needs Debian, root, dockerd)
	@tests/compose/run.sh

.PHONY: bench
bench: ## Measure the speed of the kill and print the table
	@bin/setup.sh python stack
	@PATH="$$PATH:$$PWD/.cache/debian/usr/bin" $(PYTHON_VENV) -m tests.bench $(ARGS)

.PHONY: simulate
simulate: setup ## Simulate days of P&L and count what the adaptive rules make of them (minutes; ARGS='--days 500')
	@$(PYTHON_VENV) -m tests.prometheus.adaptive_model $(ARGS)

.PHONY: check
check: setup ## Lint, types, import rules, and that the committed dashboards are the built ones
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/mypy -p bin.stack -p grafana.build -p grafana.pictures
	@.venv/bin/lint-imports
	@$(MAKE) dashboards
	@git diff --exit-code --stat -- grafana/dashboards

.PHONY: format
format: setup ## Format the code and fix what ruff can fix
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

.PHONY: dashboards
dashboards: setup ## Build grafana/dashboards/*.json from grafana/build/
	@$(PYTHON_VENV) -m grafana.build

.PHONY: lock
lock: ## Write constraints.txt anew with the newest versions that pyproject.toml allows
	@bin/lock.sh

.PHONY: clean
clean: ## Remove the virtual environment, caches and the state of a local stack (secrets are kept)
	@if [ -e .run/stack.pid ]; then echo "A local stack is running: make down first." >&2; exit 1; fi
	@rm -rf .venv .run .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info build dist
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +
